// Which pixels and channels of x (B, N, C) a thread of the fast kernels has. They take float32, and C a multiple of 4.
//
// A block's threads lie in rows: side by side a thread for every four channels of a pixel, and below each other a row
// for every pixel that the block takes at a time. Neighbours so read neighbouring memory, 128 bits each; a thread has
// the same four channels all the time, reads their gamma and beta once, and need not divide to find a channel.
#pragma once

#include "common.cuh"
#include "float4.cuh"

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
