// Group normalisation of x (B, N, C): B pictures of N pixels. The C channels are groups of `width` neighbours.
//
//     x_hat = (x - mean) rstd,    z = gamma x_hat + beta,    y = z, or z sigmoid(z) where silu
//     grad_x = rstd (d - mean(d) - x_hat mean(d x_hat)),    d = grad_z gamma
//
// A mean is taken over the N pixels and the `width` channels of a group.
#include "common.cuh"
#include "float4.cuh"

template <typename T>
__device__ T sigmoid(T z) {
    return 1 / (1 + exp(-z));
}

// The exact division has a rare case, and therefore a branch, which the next loads from memory would have to wait
// behind. This one may be wrong in the last bit or two.
__device__ inline float sigmoid(float z) { return __fdividef(1.0f, 1 + expf(-z)); }

template <typename T>
__device__ T gradient_of_z(T grad_y, T z, bool silu) {
    if (!silu) return grad_y;
    const T s = sigmoid(z);
    return grad_y * s * (1 + z * (1 - s));
}

// Plain: a thread a group of a picture, or a channel of the gradients of gamma and beta; float and double.

template <typename T>
__global__ void __launch_bounds__(64)
group_norm_forward(const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta, int B, int N,
                   int C, int groups, double eps, bool silu, T* __restrict__ y, T* __restrict__ mean,
                   T* __restrict__ rstd) {
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
group_norm_backward(const T* __restrict__ grad_y, const T* __restrict__ x, const T* __restrict__ gamma,
                    const T* __restrict__ beta, const T* __restrict__ mean, const T* __restrict__ rstd, int B, int N,
                    int C, int groups, bool silu, T* __restrict__ grad_x) {
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
group_norm_backward_channels(const T* __restrict__ grad_y, const T* __restrict__ x, const T* __restrict__ gamma,
                             const T* __restrict__ beta, const T* __restrict__ mean, const T* __restrict__ rstd, int B,
                             int N, int C, int groups, bool silu, T* __restrict__ grad_gamma,
                             T* __restrict__ grad_beta) {
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

// Fast, for float32 and C a multiple of 4. What changes against the plain kernels:
//
//  - A block's threads lie in rows: side by side a thread for every four channels of a pixel, and below each other a
//    row for every pixel that the block takes at a time. Neighbours so read neighbouring memory, 128 bits each; a
//    thread always has the same four channels, reads their gamma and beta once, and need not divide to find a channel.
//  - x is read once where a picture fits into registers, and twice where it does not, instead of three times.
//  - A block has a few groups, or a part of them, and all its threads work on them.
//
//     the picture fits     A block keeps a slice of the channels, whole groups, of all pixels. It takes the mean, then
//                          the variance about it from the registers, and writes y.
//     it does not          It is cut into chunks of pixels, a block each. One kernel leaves each chunk's mean and
//                          squares, a small one merges them, and a third reads x again and writes y.
//
// A group of 10 channels begins in the middle of four: therefore a sum has a number for every channel until it has been
// taken over all rows of threads, and is added up to groups at the very end.
//
// Which of the two, and how a picture is cut, depends on N, C and groups alone, and all sums go in a fixed order: a
// picture's bits do not depend on its company.

constexpr int KEPT = 6;  // pixels that a thread keeps in registers; with 8 some are spilled

struct Tile {
    int vectors, vector;  // of four channels, side by side; this thread's
    int rows, row;        // of threads, below each other; this thread's
    int picture, chunk;
    int group, groups;  // the block's first, and how many
    int channel;        // the first of the thread's four
    int begin, end;     // the block's pixels
    long long start;    // where x has the thread's channels of the picture's first pixel
};

// Blocks change the slice first, then the chunk, then the picture.
__device__ inline Tile tile_of_block(int block, int N, int C, int groups, int slices, int chunk) {
    const int chunks = (N + chunk - 1) / chunk;
    Tile t;
    t.vectors = C / slices / 4;
    t.vector = threadIdx.x % t.vectors;
    t.rows = blockDim.x / t.vectors;
    t.row = threadIdx.x / t.vectors;
    t.picture = block / slices / chunks;
    t.chunk = block / slices % chunks;
    t.groups = groups / slices;
    t.group = block % slices * t.groups;
    t.channel = block % slices * (C / slices) + 4 * t.vector;
    t.begin = t.chunk * chunk;
    t.end = min(t.begin + chunk, N);
    t.start = static_cast<long long>(t.picture) * N * C + t.channel;
    return t;
}

// The thread's first pixel; it has every rows-th from there on. A few threads at the end fill no row, and have none.
__device__ inline int first_pixel(const Tile& t) { return t.row < t.rows ? t.begin + t.row : t.end; }

// Do it for k = 0, 1, ..., below the number of pixels that the thread keeps.
template <typename Do>
__device__ void each_kept(const Tile& t, Do it) {
    const int n = first_pixel(t);
#pragma unroll
    for (int k = 0; k < KEPT; ++k)
        if (n + k * t.rows < t.end) it(k);
}

// For each of the four channels, the number of its group.
__device__ inline float4 of_groups(const float* of_group, int channel, int width) {
    return make_float4(of_group[channel / width], of_group[(channel + 1) / width], of_group[(channel + 2) / width],
                       of_group[(channel + 3) / width]);
}

// The threads of row 0 get the sums of `value` over all rows, and so does the beginning of memory. Each round folds the
// lower half of the rows onto the upper one. memory has room for M float4s of every thread, m's from m * blockDim.x on.
template <int M>
__device__ void sum_rows(float4 (&value)[M], const Tile& t, float4* memory) {
    __syncthreads();  // somebody may still read what was there
    for (int m = 0; m < M; ++m) memory[m * blockDim.x + threadIdx.x] = value[m];
    for (int left = t.rows; left > 1; left = (left + 1) / 2) {
        const int half = (left + 1) / 2;
        __syncthreads();
        if (t.row + half < left)
            for (int m = 0; m < M; ++m) {
                float4* own = memory + m * blockDim.x + threadIdx.x;
                value[m] = value[m] + own[half * t.vectors];
                *own = value[m];
            }
    }
}

// What memory begins with, a number for every channel, becomes the sum over the channel's group. A warp takes a group.
// It needs a round or a few; unrolled they would only cost registers.
template <int M>
__device__ void sum_groups(const Tile& t, int width, float4* memory) {
    const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    __syncthreads();
    for (int m = 0; m < M; ++m)
#pragma unroll 1
        for (int g = threadIdx.x / WARP; g < 4 * t.vectors / width; g += warps) {
            float* group = reinterpret_cast<float*>(memory + m * blockDim.x) + g * width;
            float total = 0;
#pragma unroll 1
            for (int c = lane; c < width; c += WARP) total += group[c];
            total = warp_sum(total);
#pragma unroll 1
            for (int c = lane; c < width; c += WARP) group[c] = total;
        }
    __syncthreads();
}

__device__ inline float4 group_sums(float4 value, const Tile& t, int width, float4* memory) {
    float4 values[1] = {value};
    sum_rows(values, t, memory);
    sum_groups<1>(t, width, memory);
    return memory[t.vector];
}

// Reads the block's pixels into registers and takes off the mean of their group; the means are written, too, a thread a
// group, to means[group * step]. A mean is taken of x minus the group's first number, so that one far from 0 costs no
// digits.
__device__ inline void read_centred(const float* x, int C, int width, const Tile& t, float4* memory,
                                    float4 (&kept)[KEPT], float* means, int step) {
    const float* pixel = x + t.start - t.channel + static_cast<long long>(t.begin) * C;
    const float4 first = make_float4(pixel[t.channel / width * width], pixel[(t.channel + 1) / width * width],
                                     pixel[(t.channel + 2) / width * width], pixel[(t.channel + 3) / width * width]);
    const int n = first_pixel(t);
    const float* own = x + t.start + static_cast<long long>(n) * C;
    each_kept(t, [&](int k) { kept[k] = load4(own + k * t.rows * C); });
    float4 total = all4(0);
    each_kept(t, [&](int k) {
        kept[k] = kept[k] - first;
        total = total + kept[k];
    });
    const float share = 1 / (static_cast<float>(t.end - t.begin) * width);
    total = share * group_sums(total, t, width, memory);
    each_kept(t, [&](int k) { kept[k] = kept[k] - total; });
    const float* sums = reinterpret_cast<const float*>(memory);
    for (int g = threadIdx.x; g < t.groups; g += blockDim.x)
        means[(t.group + g) * step] = pixel[(t.group + g) * width] + share * sums[g * width];
}

__device__ inline float4 sum_of_squares(const float4 (&kept)[KEPT], int width, const Tile& t, float4* memory) {
    float4 squares = all4(0);
    each_kept(t, [&](int k) { squares = squares + kept[k] * kept[k]; });
    return group_sums(squares, t, width, memory);
}

__device__ inline float4 scaled(float4 centred, float4 scale, float4 shift, bool silu) {
    const float4 z = scale * centred + shift;
    return silu ? map4([](float z) { return z * sigmoid(z); }, z) : z;
}

// ---- Forward, a picture fits

__global__ void __launch_bounds__(1024)
group_norm_forward_kept(const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
                        int N, int C, int groups, int slices, float eps, bool silu, float* __restrict__ y,
                        float* __restrict__ mean, float* __restrict__ rstd) {
    extern __shared__ float4 memory[];
    const Tile t = tile_of_block(blockIdx.x, N, C, groups, slices, N);
    const int n = first_pixel(t), width = C / groups;
    float4 kept[KEPT];
    read_centred(x, C, width, t, memory, kept, mean + t.picture * groups, 1);
    const float share = 1 / (static_cast<float>(N) * width);
    const auto root = [=](float squares) { return rsqrtf(share * squares + eps); };
    const float4 r = map4(root, sum_of_squares(kept, width, t, memory));
    const float* sums = reinterpret_cast<const float*>(memory);
    for (int g = threadIdx.x; g < t.groups; g += blockDim.x)
        rstd[t.picture * groups + t.group + g] = root(sums[g * width]);
    const float4 scale = load4(gamma + t.channel) * r, shift = load4(beta + t.channel);
    float* own = y + t.start + static_cast<long long>(n) * C;
    each_kept(t, [&](int k) { store4(own + k * t.rows * C, scaled(kept[k], scale, shift, silu)); });
}

// ---- Forward, in chunks

// means and squares: (B, groups, chunks).
__global__ void __launch_bounds__(1024)
group_norm_forward_measure(const float* __restrict__ x, int N, int C, int groups, int chunk,
                           float* __restrict__ means, float* __restrict__ squares) {
    extern __shared__ float4 memory[];
    const Tile t = tile_of_block(blockIdx.x, N, C, groups, 1, chunk);
    const int chunks = (N + chunk - 1) / chunk, width = C / groups;
    const long long place = static_cast<long long>(t.picture) * groups * chunks + t.chunk;
    float4 kept[KEPT];
    read_centred(x, C, width, t, memory, kept, means + place, chunks);
    sum_of_squares(kept, width, t, memory);
    const float* sums = reinterpret_cast<const float*>(memory);
    for (int g = threadIdx.x; g < t.groups; g += blockDim.x)
        squares[place + static_cast<long long>(t.group + g) * chunks] = sums[g * width];
}

// A block a group of a picture: Chan, Golub & LeVeque 1979. All squares about the common mean are each chunk's squares
// about its own mean, and its count times the square of the distance between the two means. No large numbers cancel.
__global__ void __launch_bounds__(256)
group_norm_forward_merge(const float* __restrict__ means, const float* __restrict__ squares, int N, int width,
                         int chunk, double eps, float* __restrict__ mean, float* __restrict__ rstd) {
    __shared__ double scratch[WARP];
    const int chunks = (N + chunk - 1) / chunk;
    const long long start = static_cast<long long>(blockIdx.x) * chunks;
    double total = 0, sum = 0;
    for (int k = threadIdx.x; k < chunks; k += blockDim.x)
        total += static_cast<double>(means[start + k]) * min(chunk, N - k * chunk);
    const double mu = block_sum(total, scratch) / N;
    for (int k = threadIdx.x; k < chunks; k += blockDim.x) {
        const double distance = means[start + k] - mu;
        sum += squares[start + k] + distance * distance * width * min(chunk, N - k * chunk);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) {
        mean[blockIdx.x] = mu;
        rstd[blockIdx.x] = 1 / sqrt(sum / (static_cast<double>(N) * width) + eps);
    }
}

// Blocks go from the last chunk to the first: what was measured last is still in the second-level cache.
__global__ void __launch_bounds__(1024)
group_norm_forward_write(const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
                         const float* __restrict__ mean, const float* __restrict__ rstd, int N, int C, int groups,
                         int chunk, bool silu, float* __restrict__ y) {
    const Tile t = tile_of_block(gridDim.x - 1 - blockIdx.x, N, C, groups, 1, chunk);
    const int width = C / groups;
    const float4 mu = of_groups(mean + t.picture * groups, t.channel, width);
    const float4 scale = load4(gamma + t.channel) * of_groups(rstd + t.picture * groups, t.channel, width);
    const float4 shift = load4(beta + t.channel);
    const int n = first_pixel(t);
    const long long start = t.start + static_cast<long long>(n) * C;
    float4 kept[KEPT];
    each_kept(t, [&](int k) { kept[k] = load4(x + start + k * t.rows * C); });
    each_kept(t, [&](int k) { store4(y + start + k * t.rows * C, scaled(kept[k] - mu, scale, shift, silu)); });
}

// ---- Backward

__device__ inline float4 gradient_of_z(float4 grad_y, float4 x_hat, float4 gamma, float4 beta, bool silu) {
    if (!silu) return grad_y;
    return map4([](float grad_y, float z) { return gradient_of_z(grad_y, z, true); }, grad_y, gamma * x_hat + beta);
}

// From each channel's sums of grad_z and grad_z x_hat, known in row 0, to the group's means of d and d x_hat.
__device__ inline void means_of_groups(const float4 (&sums)[2], float4 gamma, float count, int width, const Tile& t,
                                       float4* memory, float4& d, float4& d_x_hat) {
    if (t.row == 0) {  // into places that only this thread has read since the last barrier
        memory[t.vector] = gamma * sums[0];
        memory[blockDim.x + t.vector] = gamma * sums[1];
    }
    sum_groups<2>(t, width, memory);
    d = 1 / count * memory[t.vector];
    d_x_hat = 1 / count * memory[blockDim.x + t.vector];
}

// A picture fits: x and grad_y are read once, x_hat and grad_z stay in registers until the sums over them are known.
// sums: (B, 2, C), of grad_z and of grad_z x_hat over the picture; added over the pictures they are the gradients of
// beta and gamma.
__global__ void __launch_bounds__(512)
group_norm_backward_kept(const float* __restrict__ grad_y, const float* __restrict__ x,
                         const float* __restrict__ gamma, const float* __restrict__ beta,
                         const float* __restrict__ mean, const float* __restrict__ rstd, int N, int C, int groups,
                         int slices, bool silu, float* __restrict__ grad_x, float* __restrict__ sums) {
    extern __shared__ float4 memory[];
    const Tile t = tile_of_block(blockIdx.x, N, C, groups, slices, N);
    const int n = first_pixel(t), width = C / groups;
    const long long start = t.start + static_cast<long long>(n) * C;
    float4 x_hat[KEPT], grad_z[KEPT];
    each_kept(t, [&](int k) {
        x_hat[k] = load4(x + start + k * t.rows * C);
        grad_z[k] = load4(grad_y + start + k * t.rows * C);
    });
    const float4 mu = of_groups(mean + t.picture * groups, t.channel, width);
    const float4 r = of_groups(rstd + t.picture * groups, t.channel, width);
    const float4 weight = load4(gamma + t.channel), shift = load4(beta + t.channel);
    float4 sum[2] = {all4(0), all4(0)};
    each_kept(t, [&](int k) {
        x_hat[k] = r * (x_hat[k] - mu);
        grad_z[k] = gradient_of_z(grad_z[k], x_hat[k], weight, shift, silu);
        sum[0] = sum[0] + grad_z[k];
        sum[1] = sum[1] + grad_z[k] * x_hat[k];
    });
    sum_rows(sum, t, memory);
    if (t.row == 0) {
        store4(sums + static_cast<long long>(t.picture) * 2 * C + t.channel, sum[0]);
        store4(sums + (static_cast<long long>(t.picture) * 2 + 1) * C + t.channel, sum[1]);
    }
    float4 d, d_x_hat;
    means_of_groups(sum, weight, static_cast<float>(N) * width, width, t, memory, d, d_x_hat);
    each_kept(t, [&](int k) {
        store4(grad_x + start + k * t.rows * C, r * (weight * grad_z[k] - d - x_hat[k] * d_x_hat));
    });
}

// In chunks: the sums of each, (B, chunks, 2, C), which column_sums.cu adds up over the chunks.
__global__ void __launch_bounds__(1024)
group_norm_backward_measure(const float* __restrict__ grad_y, const float* __restrict__ x,
                            const float* __restrict__ gamma, const float* __restrict__ beta,
                            const float* __restrict__ mean, const float* __restrict__ rstd, int N, int C, int groups,
                            int chunk, bool silu, float* __restrict__ parts) {
    extern __shared__ float4 memory[];
    const Tile t = tile_of_block(blockIdx.x, N, C, groups, 1, chunk);
    const int width = C / groups;
    const float4 mu = of_groups(mean + t.picture * groups, t.channel, width);
    const float4 r = of_groups(rstd + t.picture * groups, t.channel, width);
    const float4 weight = load4(gamma + t.channel), shift = load4(beta + t.channel);
    float4 sum[2] = {all4(0), all4(0)};
#pragma unroll 2
    for (int n = first_pixel(t); n < t.end; n += t.rows) {
        const long long at = t.start + static_cast<long long>(n) * C;
        const float4 x_hat = r * (load4(x + at) - mu);
        const float4 grad_z = gradient_of_z(load4(grad_y + at), x_hat, weight, shift, silu);
        sum[0] = sum[0] + grad_z;
        sum[1] = sum[1] + grad_z * x_hat;
    }
    sum_rows(sum, t, memory);
    if (t.row == 0) {
        const long long place = static_cast<long long>(blockIdx.x) * 2 * C + t.channel;
        store4(parts + place, sum[0]);
        store4(parts + place + C, sum[1]);
    }
}

// The second pass; SiLU's gradient is computed again, which costs less than to write it down and read it.
__global__ void __launch_bounds__(1024)
group_norm_backward_write(const float* __restrict__ grad_y, const float* __restrict__ x,
                          const float* __restrict__ gamma, const float* __restrict__ beta,
                          const float* __restrict__ mean, const float* __restrict__ rstd,
                          const float* __restrict__ sums, int N, int C, int groups, int chunk, bool silu,
                          float* __restrict__ grad_x) {
    extern __shared__ float4 memory[];
    const Tile t = tile_of_block(gridDim.x - 1 - blockIdx.x, N, C, groups, 1, chunk);
    const int width = C / groups;
    const float4 mu = of_groups(mean + t.picture * groups, t.channel, width);
    const float4 r = of_groups(rstd + t.picture * groups, t.channel, width);
    const float4 weight = load4(gamma + t.channel), shift = load4(beta + t.channel);
    const float* own = sums + static_cast<long long>(t.picture) * 2 * C + t.channel;
    const float4 sum[2] = {load4(own), load4(own + C)};
    float4 d, d_x_hat;
    means_of_groups(sum, weight, static_cast<float>(N) * width, width, t, memory, d, d_x_hat);
#pragma unroll 2
    for (int n = first_pixel(t); n < t.end; n += t.rows) {
        const long long at = t.start + static_cast<long long>(n) * C;
        const float4 x_hat = r * (load4(x + at) - mu);
        const float4 grad_z = gradient_of_z(load4(grad_y + at), x_hat, weight, shift, silu);
        store4(grad_x + at, r * (weight * grad_z - d - x_hat * d_x_hat));
    }
}
