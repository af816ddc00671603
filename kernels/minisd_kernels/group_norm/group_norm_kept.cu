// Group normalisation, step 3 of 3: a picture stays in registers. For pictures that fit, as a small U-Net's do.
//
// Changed: a block keeps a slice of the channels, whole groups, of all pixels. It takes the mean, then the variance
// about it from the registers, and writes y. A block so has a few groups, or one, and all its threads work on them.
//
// Faster, because x is read once instead of twice, and one kernel does it all. For the pictures of step 2 the emulator
// counts 0.12 MB read from global memory.
//
// Whether a picture fits, and into how many slices it is cut, depends on N, C and groups alone: its bits do not depend
// on its company.
#include "../group_norm/group_sums.cuh"
#include "../group_norm/silu.cuh"

__global__ void __launch_bounds__(1024)
group_norm_forward_kept(const float* __restrict__ x, const float* __restrict__ gamma, const float* __restrict__ beta,
                        float* __restrict__ y, float* __restrict__ mean, float* __restrict__ rstd, int N, int C,
                        int groups, int slices, float eps, bool silu) {
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

// A picture fits: x and grad_y are read once, x_hat and grad_z stay in registers until the sums over them are known.
// sums: (B, 2, C), of grad_z and of grad_z x_hat over the picture; added over the pictures they are the gradients of
// beta and gamma.
__global__ void __launch_bounds__(512)
group_norm_backward_kept(const float* __restrict__ grad_y, const float* __restrict__ x, const float* __restrict__ gamma,
                         const float* __restrict__ beta, const float* __restrict__ mean, const float* __restrict__ rstd,
                         float* __restrict__ grad_x, float* __restrict__ sums, int N, int C, int groups, int slices,
                         bool silu) {
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
