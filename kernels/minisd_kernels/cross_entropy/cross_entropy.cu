// The cross-entropy of softmax(logits) and its gradient. A group of lanes takes a row (rows.cuh). The rows' losses are
// added up in the two steps of a sum (sums.cuh): each block those of its rows, then one block those of the blocks.
//
// Both kernels read the target through wanted(), so that class numbers and probabilities are one text: a class number
// is compared with the column, which costs nothing beside the exponential, and no matrix of 0 and 1 is ever stored.
#include "rows.cuh"
#include "sums.cuh"

// How much class v is wanted in row n. A class that is not there makes the row's loss NaN.
template <typename T>
__device__ T wanted(const long long* classes, long long n, int v, int V) {
    return classes[n] >= 0 && classes[n] < V ? T(classes[n] == v) : static_cast<T>(nan(""));
}

template <typename T>
__device__ T wanted(const T* probabilities, long long n, int v, int V) {
    return probabilities[n * V + v];
}

template <typename T, typename Target>
__global__ void cross_entropy_parts(const T* __restrict__ logits, const Target* __restrict__ target,
                                    const T* __restrict__ weight, double* __restrict__ parts, int N, int V, int lanes) {
    __shared__ double scratch[WARP];
    const Row row = row_of_group(N, V, lanes);
    T largest, total;
    largest_and_total(logits + row.start, row, largest, total);
    const T log_total = log(total), row_weight = weight ? weight[row.index] : T(1);
    double loss = 0;
    for (int v = row.lane; v < row.end; v += row.lanes) {
        const T much = row_weight * wanted<T>(target, row.index, v, V);
        if (much != 0) loss -= much * (logits[row.start + v] - largest - log_total);
    }
    loss = block_sum(loss, scratch);
    if (threadIdx.x == 0) parts[blockIdx.x] = loss;
}

template <typename T>
__global__ void cross_entropy_forward(const double* __restrict__ parts, T* __restrict__ loss, int count, int N) {
    const double total = sum_of_parts(parts, count);
    if (threadIdx.x == 0) *loss = total / N;
}

template <typename T, typename Target>
__global__ void cross_entropy_backward(const T* __restrict__ grad_y, const T* __restrict__ logits,
                                       const Target* __restrict__ target, const T* __restrict__ weight,
                                       T* __restrict__ grad_logits, int N, int V, int lanes) {
    const Row row = row_of_group(N, V, lanes);
    T largest, total, total_wanted = 0;
    largest_and_total(logits + row.start, row, largest, total);
    for (int v = row.lane; v < row.end; v += row.lanes) total_wanted += wanted<T>(target, row.index, v, V);
    const T times = group_sum(total_wanted, row.lanes) / total;
    const T share = *grad_y / N * (weight ? weight[row.index] : T(1));
    for (int v = row.lane; v < row.end; v += row.lanes) {
        const T p = exp(logits[row.start + v] - largest) * times;
        grad_logits[row.start + v] = share * (p - wanted<T>(target, row.index, v, V));
    }
}
