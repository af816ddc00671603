// Sums over the groups of a tile.
//
// A group of 10 channels begins in the middle of four: therefore a sum has a number for every channel until it has been
// taken over all rows of threads, and is added up to groups at the very end. All sums go in a fixed order.
#pragma once

#include "../group_norm/tile.cuh"

// The threads of row 0 get the sums of `value` over all rows, and so does the beginning of memory. Each round folds the
// lower half of the rows onto the upper one. memory has room for COUNT float4s of every thread, m's from m * blockDim.x
// on.
template <int COUNT>
__device__ void sum_rows(float4 (&value)[COUNT], const Tile& t, float4* memory) {
    __syncthreads();  // somebody may still read what was there
    for (int m = 0; m < COUNT; ++m) memory[m * blockDim.x + threadIdx.x] = value[m];
    for (int left = t.rows; left > 1; left = (left + 1) / 2) {
        const int half = (left + 1) / 2;
        __syncthreads();
        if (t.row + half < left)
            for (int m = 0; m < COUNT; ++m) {
                float4* own = memory + m * blockDim.x + threadIdx.x;
                value[m] = value[m] + own[half * t.vectors];
                *own = value[m];
            }
    }
}

// What memory begins with, a number for every channel, becomes the sum over the channel's group. A warp takes a group.
// It needs a round or a few; unrolled they would only cost registers.
template <int COUNT>
__device__ void sum_groups(const Tile& t, int width, float4* memory) {
    const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    __syncthreads();
    for (int m = 0; m < COUNT; ++m)
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
