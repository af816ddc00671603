// Attention, step 1 of 4: a thread a query row.
//
//     scores[m] = scale <query[n], key[m]>,    y[n] = sum_m softmax_m(scores) value[m]
//
// The softmax needs the largest score and the sum of the exponentials before it can weigh the first value; but it can
// also run along with the sum (Milakov and Gimelshein 2018). A thread walks the keys once and keeps, besides its row of
// y, the largest score so far and the total of exp(score - largest). When a larger score arrives, what has been
// summed so far is scaled down by exp(old largest - new largest). So no score is ever stored, however many keys there
// are.
//
// It is slow, because everything comes from global memory: for each key a thread reads the key, the value and its own
// query, and reads and writes its row of y, 5 d numbers for 2 d multiply-adds.
//
// Backward makes the scores again (Dao et al. 2022, appendix B.2). A thread owns a row of what it writes: a query row
// for grad_query, a key row for grad_key and grad_value. So no two threads add to the same number, and the sums have
// one order: the same bits on every run.
//
// Arrays are (B, N, heads, d), logsumexp and row_sums (B, heads, N). Row i of a kernel is (b heads + h) N + n.
#include "common.cuh"

// Where the d numbers of token n, head h begin in an array of `tokens` tokens a sample.
__device__ long long start_of(int b, int tokens, int n, int heads, int h, int d) {
    return ((static_cast<long long>(b) * tokens + n) * heads + h) * d;
}

template <typename T>
__device__ T product(const T* x, const T* y, int d) {
    T sum = 0;
    for (int c = 0; c < d; ++c) sum += x[c] * y[c];
    return sum;
}

// The softmax's weight. It is at most 1: rounding of huge scores must not make it more. NaN stays NaN.
template <typename T>
__device__ T weight_of(T score, T logsumexp) {
    const T exponent = score - logsumexp;
    return exp(exponent > 0 ? T(0) : exponent);
}

template <typename T>
__global__ void attention_forward_plain(const T* __restrict__ query, const T* __restrict__ key,
                                        const T* __restrict__ value, T* __restrict__ y, T* __restrict__ logsumexp,
                                        int rows, int N, int M, int heads, int d, T scale, bool causal) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const int n = row % N, h = row / N % heads, b = row / N / heads;
    const int seen = causal ? n + 1 : M;
    const T* q = query + start_of(b, N, n, heads, h, d);
    T* sums = y + start_of(b, N, n, heads, h, d);
    for (int c = 0; c < d; ++c) sums[c] = 0;

    T largest = sizeof(T) == 4 ? T(-3.4e38) : T(-1.7e308);  // not -infinity: -infinity - -infinity would be NaN
    T total = 0;
    for (int m = 0; m < seen; ++m) {
        const long long start = start_of(b, M, m, heads, h, d);
        const T score = scale * product(q, key + start, d);
        if (score > largest) {
            const T shrink = exp(largest - score);
            for (int c = 0; c < d; ++c) sums[c] *= shrink;
            total *= shrink;
            largest = score;
        }
        const T weight = exp(score - largest);
        total += weight;
        for (int c = 0; c < d; ++c) sums[c] += weight * value[start + c];
    }
    for (int c = 0; c < d; ++c) sums[c] /= total;
    logsumexp[row] = largest + log(total);
}

// row_sums[b, h, n] = <grad_y[b, n, h], y[b, n, h]>: a warp a row, in the order in which the rows lie in memory.
template <typename T>
__global__ void attention_row_sums(const T* __restrict__ grad_y, const T* __restrict__ y, T* __restrict__ row_sums,
                                   int rows, int N, int heads, int d) {
    const int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (row >= rows) return;  // all lanes of the warp
    T sum = 0;
    for (int c = lane; c < d; c += WARP) {
        const long long place = static_cast<long long>(row) * d + c;
        sum += grad_y[place] * y[place];
    }
    sum = warp_sum(sum);
    const int h = row % heads, n = row / heads % N, b = row / heads / N;
    if (lane == 0) row_sums[(static_cast<long long>(b) * heads + h) * N + n] = sum;
}

template <typename T>
__global__ void attention_grad_query_plain(const T* __restrict__ grad_y, const T* __restrict__ query,
                                           const T* __restrict__ key, const T* __restrict__ value,
                                           const T* __restrict__ logsumexp, const T* __restrict__ row_sums,
                                           T* __restrict__ grad_query, int rows, int N, int M, int heads, int d,
                                           T scale, bool causal) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const int n = row % N, h = row / N % heads, b = row / N / heads;
    const int seen = causal ? n + 1 : M;
    const long long own = start_of(b, N, n, heads, h, d);
    for (int c = 0; c < d; ++c) grad_query[own + c] = 0;
    for (int m = 0; m < seen; ++m) {
        const long long start = start_of(b, M, m, heads, h, d);
        const T weight = weight_of(scale * product(query + own, key + start, d), logsumexp[row]);
        const T grad_score = weight * (product(grad_y + own, value + start, d) - row_sums[row]);
        for (int c = 0; c < d; ++c) grad_query[own + c] += scale * grad_score * key[start + c];
    }
}

// Here rows are (b heads + h) M + m.
template <typename T>
__global__ void attention_grad_key_value_plain(const T* __restrict__ grad_y, const T* __restrict__ query,
                                               const T* __restrict__ key, const T* __restrict__ value,
                                               const T* __restrict__ logsumexp, const T* __restrict__ row_sums,
                                               T* __restrict__ grad_key, T* __restrict__ grad_value, int rows, int N,
                                               int M, int heads, int d, T scale, bool causal) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const int m = row % M, h = row / M % heads, b = row / M / heads;
    const long long own = start_of(b, M, m, heads, h, d);
    for (int c = 0; c < d; ++c) grad_key[own + c] = grad_value[own + c] = 0;
    for (int n = causal ? m : 0; n < N; ++n) {  // the queries that see this key
        const long long start = start_of(b, N, n, heads, h, d);
        const long long place = (static_cast<long long>(b) * heads + h) * N + n;
        const T weight = weight_of(scale * product(query + start, key + own, d), logsumexp[place]);
        const T grad_score = weight * (product(grad_y + start, value + own, d) - row_sums[place]);
        for (int c = 0; c < d; ++c) {
            grad_value[own + c] += weight * grad_y[start + c];
            grad_key[own + c] += scale * grad_score * query[start + c];
        }
    }
}
