// Group normalisation, step 1 of 3: a thread a group of a picture, straight from the equation.
//
//     x_hat = (x - mean) rstd,    z = gamma x_hat + beta,    y = z, or z sigmoid(z) where silu
//     grad_x = rstd (d - mean(d) - x_hat mean(d x_hat)),    d = grad_z gamma
//
// x is (B, N, C): B pictures of N pixels. The C channels are groups of `width` neighbours, and a mean is taken over the
// N pixels and the `width` channels of a group. A channel's gradients of gamma and beta have a thread, too.
//
// It is slow: x is read three times, for the mean, for the squares about it and for y; a warp's threads read numbers
// that lie far apart; and a batch has only B groups threads, too few for a GPU (group_norm_chunks.cu).
#include "../group_norm/silu.cuh"

template <typename T>
__global__ void __launch_bounds__(64)
group_norm_forward_plain(const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
                         T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd, int B, int N, int C, int groups,
                         double eps, bool silu) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= B * groups) return;
    const int width = C / groups, start = i % groups * width;
    const long long picture = static_cast<long long>(i / groups) * N * C;
    const double count = static_cast<double>(N) * width;
    double total = 0, squares = 0;
    for (int n = 0; n < N; ++n)
        for (int c = start; c < start + width; ++c) total += x[picture + static_cast<long long>(n) * C + c];
    const double mu = total / count;
    for (int n = 0; n < N; ++n)
        for (int c = start; c < start + width; ++c) {
            const double difference = x[picture + static_cast<long long>(n) * C + c] - mu;
            squares += difference * difference;
        }
    mean[i] = mu;
    rstd[i] = 1 / sqrt(squares / count + eps);
    for (int n = 0; n < N; ++n)
        for (int c = start; c < start + width; ++c) {
            const long long at = picture + static_cast<long long>(n) * C + c;
            const T z = gamma[c] * (x[at] - mean[i]) * rstd[i] + beta[c];
            y[at] = silu ? z * sigmoid(z) : z;
        }
}

template <typename T>
__global__ void __launch_bounds__(64)
group_norm_backward_plain(const T* __restrict__ grad_y, const T* __restrict__ x, const T* __restrict__ gamma,
                          const T* __restrict__ beta, const T* __restrict__ mean, const T* __restrict__ rstd,
                          T* __restrict__ grad_x, int B, int N, int C, int groups, bool silu) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= B * groups) return;
    const int width = C / groups, start = i % groups * width;
    const long long picture = static_cast<long long>(i / groups) * N * C;
    const double count = static_cast<double>(N) * width;
    double d_sum = 0, d_x_hat_sum = 0;
    for (int n = 0; n < N; ++n)
        for (int c = start; c < start + width; ++c) {
            const long long at = picture + static_cast<long long>(n) * C + c;
            const T x_hat = (x[at] - mean[i]) * rstd[i];
            const T d = gamma[c] * gradient_of_z(grad_y[at], gamma[c] * x_hat + beta[c], silu);
            d_sum += d;
            d_x_hat_sum += d * x_hat;
        }
    for (int n = 0; n < N; ++n)
        for (int c = start; c < start + width; ++c) {
            const long long at = picture + static_cast<long long>(n) * C + c;
            const T x_hat = (x[at] - mean[i]) * rstd[i];
            const T d = gamma[c] * gradient_of_z(grad_y[at], gamma[c] * x_hat + beta[c], silu);
            grad_x[at] = rstd[i] * (d - (d_sum + x_hat * d_x_hat_sum) / count);
        }
}

template <typename T>
__global__ void __launch_bounds__(64)
group_norm_backward_channels_plain(const T* __restrict__ grad_y, const T* __restrict__ x, const T* __restrict__ gamma,
                                   const T* __restrict__ beta, const T* __restrict__ mean, const T* __restrict__ rstd,
                                   T* __restrict__ grad_gamma, T* __restrict__ grad_beta, int B, int N, int C,
                                   int groups, bool silu) {
    const int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c >= C) return;
    double gamma_sum = 0, beta_sum = 0;
    for (int b = 0; b < B; ++b) {
        const int i = b * groups + c / (C / groups);
        for (int n = 0; n < N; ++n) {
            const long long at = (static_cast<long long>(b) * N + n) * C + c;
            const T x_hat = (x[at] - mean[i]) * rstd[i];
            const T grad_z = gradient_of_z(grad_y[at], gamma[c] * x_hat + beta[c], silu);
            gamma_sum += grad_z * x_hat;
            beta_sum += grad_z;
        }
    }
    grad_gamma[c] = gamma_sum;
    grad_beta[c] = beta_sum;
}
