// Group normalisation, step 2 of 3: a picture is cut into chunks of pixels, a block each.
//
// Changed: a block has all groups of its pixels, and its threads read them side by side, 128 bits each (tile.cuh). One
// kernel leaves each chunk's mean and squares, which it takes from registers, a small one merges them, and a third
// reads x again and writes y.
//
// Faster, because x is read twice instead of three times, whole rows of memory at once, and by as many blocks as there
// are chunks: a single large picture keeps a GPU busy. For two pictures of 14 x 14 pixels and 64 channels the emulator
// counts 3.2 MB read from global memory in step 1, and 0.29 MB here.
//
// How a picture is cut depends on N and C alone: its bits do not depend on its company.
//
// What is left: the second time that x is read (group_norm_kept.cu).
#include "../group_norm/group_sums.cuh"
#include "../group_norm/silu.cuh"

// means and squares: (B, groups, chunks).
__global__ void __launch_bounds__(1024)
group_norm_forward_measure(const float* __restrict__ x, float* __restrict__ means, float* __restrict__ squares, int N,
                           int C, int groups, int chunk) {
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
group_norm_forward_merge(const float* __restrict__ means, const float* __restrict__ squares, float* __restrict__ mean,
                         float* __restrict__ rstd, int N, int width, int chunk, double eps) {
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
                         const float* __restrict__ mean, const float* __restrict__ rstd, float* __restrict__ y, int N,
                         int C, int groups, int chunk, bool silu) {
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

// In chunks: the sums of each, (B, chunks, 2, C), which column_sums.cu adds up over the chunks.
__global__ void __launch_bounds__(1024)
group_norm_backward_measure(const float* __restrict__ grad_y, const float* __restrict__ x,
                            const float* __restrict__ gamma, const float* __restrict__ beta,
                            const float* __restrict__ mean, const float* __restrict__ rstd, float* __restrict__ parts,
                            int N, int C, int groups, int chunk, bool silu) {
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
                          const float* __restrict__ sums, float* __restrict__ grad_x, int N, int C, int groups,
                          int chunk, bool silu) {
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
