// Layer normalisation of the rows of x (N, D), and its gradients.
//
//     x_hat = (x - mean) rstd,    y = gamma x_hat + beta
//     grad_x = rstd (d - mean(d) - x_hat mean(d x_hat)),    d = grad_y gamma
#include "common.cuh"
#include "float4.cuh"

// Plain: a thread a row, or a column of the gradients of gamma and beta; float and double.

template <typename T>
__global__ void layer_norm_forward(const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
                                   T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd, int N, int D,
                                   double eps) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= N) return;
    x += static_cast<long long>(row) * D;
    y += static_cast<long long>(row) * D;
    double total = 0, squares = 0;
    for (int j = 0; j < D; ++j) total += x[j];
    const double mu = total / D;
    for (int j = 0; j < D; ++j) squares += (x[j] - mu) * (x[j] - mu);
    mean[row] = mu;
    rstd[row] = 1 / sqrt(squares / D + eps);
    for (int j = 0; j < D; ++j) y[j] = gamma[j] * (x[j] - mean[row]) * rstd[row] + beta[j];
}

template <typename T>
__global__ void layer_norm_backward(const T* __restrict__ grad_y, const T* __restrict__ x, const T* __restrict__ gamma,
                                    const T* __restrict__ mean, const T* __restrict__ rstd, T* __restrict__ grad_x,
                                    int N, int D) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= N) return;
    grad_y += static_cast<long long>(row) * D;
    x += static_cast<long long>(row) * D;
    grad_x += static_cast<long long>(row) * D;
    double d = 0, d_x_hat = 0;
    for (int j = 0; j < D; ++j) {
        d += grad_y[j] * gamma[j];
        d_x_hat += grad_y[j] * gamma[j] * (x[j] - mean[row]) * rstd[row];
    }
    for (int j = 0; j < D; ++j) {
        const T x_hat = (x[j] - mean[row]) * rstd[row];
        grad_x[j] = rstd[row] * (grad_y[j] * gamma[j] - (d + x_hat * d_x_hat) / D);
    }
}

template <typename T>
__global__ void layer_norm_backward_columns(const T* __restrict__ grad_y, const T* __restrict__ x,
                                            const T* __restrict__ mean, const T* __restrict__ rstd,
                                            T* __restrict__ grad_gamma, T* __restrict__ grad_beta, int N, int D) {
    const int j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= D) return;
    double gamma_sum = 0, beta_sum = 0;
    for (int row = 0; row < N; ++row) {
        const long long i = static_cast<long long>(row) * D + j;
        gamma_sum += grad_y[i] * (x[i] - mean[row]) * rstd[row];
        beta_sum += grad_y[i];
    }
    grad_gamma[j] = gamma_sum;
    grad_beta[j] = beta_sum;
}

// Fast, for float32 and D a multiple of 4. The plain kernels' 32 threads of a warp read 32 rows at once, D numbers
// apart, and read each row three times. Here a row belongs to blockDim.x threads, a whole number of warps, and each
// keeps four neighbouring numbers of it in registers: memory is read once, side by side, 128 bits a thread. blockDim.y
// rows share a block. Where D / 4 is no multiple of 32, the last threads of a row have nothing and add 0 to the sums.

// The sums over a row's threads of COUNT numbers, the same for all of them. `scratch` is for COUNT numbers of each of
// the block's warps. Only one barrier is here: who calls again must bring other scratch, which nobody can be reading
// still.
template <int COUNT>
__device__ void row_sums(float (&value)[COUNT], float* scratch) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    for (int m = 0; m < COUNT; ++m) value[m] = warp_sum(value[m]);
    if (warps > 1) {
        float* row = scratch + threadIdx.y * warps * COUNT;
        for (int m = 0; m < COUNT; ++m)
            if (lane == 0) row[warp * COUNT + m] = value[m];
        __syncthreads();
        for (int m = 0; m < COUNT; ++m) {
            value[m] = 0;
            for (int w = 0; w < warps; ++w) value[m] += row[w * COUNT + m];
        }
    }
}

constexpr int WARPS = 32;  // that a block can have

// The mean is taken of x minus the row's first number, so that one far from 0 costs no digits.
__global__ void __launch_bounds__(WARPS * WARP)
layer_norm_forward_fours(const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
                         float* __restrict__ y, float* __restrict__ mean, float* __restrict__ rstd, int N, int D,
                         float eps) {
    __shared__ float scratch[2][WARPS];
    const int j = 4 * threadIdx.x, row = blockIdx.x * blockDim.y + threadIdx.y;
    const bool has = j < D && row < N;
    const long long start = static_cast<long long>(row) * D;
    const float share = 1.0f / D;
    float4 centred = all4(0);
    float first = 0;
    if (has) {
        first = x[start];
        centred = load4(x + start + j) - all4(first);
    }
    float total[1] = {sum4(centred)};
    row_sums(total, scratch[0]);
    const float difference = share * total[0];
    if (has) centred = centred - all4(difference);
    float squares[1] = {sum4(centred * centred)};
    row_sums(squares, scratch[1]);
    const float r = rsqrtf(share * squares[0] + eps);
    if (has) store4(y + start + j, load4(gamma + j) * (r * centred) + load4(beta + j));
    if (has && j == 0) {
        mean[row] = first + difference;
        rstd[row] = r;
    }
}

// A block takes blockDim.y rows, then those gridDim.x blocks further on, and so to the end. On the way a thread adds up
// its own four columns of the gradients of gamma and beta. The next rows are asked for before the sums over the present
// ones are made: while a block waits at the barrier, its memory requests are on their way.
__global__ void __launch_bounds__(WARPS * WARP)
layer_norm_backward_fours(const float* __restrict__ grad_y, const float* __restrict__ x,
                          const float* __restrict__ gamma, const float* __restrict__ mean,
                          const float* __restrict__ rstd, float* __restrict__ grad_x, float* __restrict__ parts,
                          int N, int D) {
    extern __shared__ float4 columns[];  // (blockDim.y, blockDim.x), for one gradient after the other
    __shared__ float scratch[2][2 * WARPS];
    const int j = 4 * threadIdx.x, step = gridDim.x * blockDim.y;
    const float share = 1.0f / D;
    const float4 weight = j < D ? load4(gamma + j) : all4(0);
    float4 gamma_sum = all4(0), beta_sum = all4(0);

    float4 next_x = all4(0), next_grad = all4(0);
    float next_mean = 0, next_rstd = 0;
    const auto ask_for = [&](int row) {
        if (row >= N || j >= D) return;
        next_x = load4(x + static_cast<long long>(row) * D + j);
        next_grad = load4(grad_y + static_cast<long long>(row) * D + j);
        next_mean = mean[row];
        next_rstd = rstd[row];
    };
    ask_for(blockIdx.x * blockDim.y + threadIdx.y);
    int turn = 0;
    for (int first = blockIdx.x * blockDim.y; first < N; first += step, turn ^= 1) {
        const int row = first + threadIdx.y;
        const bool has = row < N && j < D;
        const float r = next_rstd;
        const float4 grad = has ? next_grad : all4(0);
        const float4 x_hat = has ? r * (next_x - all4(next_mean)) : all4(0);
        ask_for(row + step);
        gamma_sum = gamma_sum + grad * x_hat;
        beta_sum = beta_sum + grad;
        const float4 d = weight * grad;
        float sums[2] = {sum4(d), sum4(d * x_hat)};
        row_sums(sums, scratch[turn]);
        const float4 along = all4(share * sums[0]) + share * sums[1] * x_hat;
        if (has) store4(grad_x + static_cast<long long>(row) * D + j, r * (d - along));
    }

    // parts[block] = the block's sums of both gradients, (2, D): rows of threads are added in order.
    const int own = threadIdx.y * blockDim.x + threadIdx.x;
    float* part = parts + static_cast<long long>(blockIdx.x) * 2 * D;
    for (int which = 0; which < 2; ++which) {
        columns[own] = which == 0 ? gamma_sum : beta_sum;
        __syncthreads();
        if (threadIdx.y == 0 && j < D) {
            float4 sum = columns[own];
            for (int y = 1; y < blockDim.y; ++y) sum = sum + columns[y * blockDim.x + threadIdx.x];
            store4(part + which * D + j, sum);
        }
        __syncthreads();
    }
}
