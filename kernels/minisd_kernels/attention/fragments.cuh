// Matrices of 16 x 8, 8 x 16 and 16 x 16 numbers, spread over the lanes of a warp, which tensor cores multiply.
#pragma once

#include <mma.h>

#include "../attention/copies.cuh"

using namespace nvcuda;

constexpr int TILE = 16, DEPTH = 8;

using Tf32 = wmma::precision::tf32;
using Left = wmma::fragment<wmma::matrix_a, TILE, TILE, DEPTH, Tf32, wmma::row_major>;
using Right = wmma::fragment<wmma::matrix_b, TILE, TILE, DEPTH, Tf32, wmma::row_major>;
using RightTransposed = wmma::fragment<wmma::matrix_b, TILE, TILE, DEPTH, Tf32, wmma::col_major>;
using Sums = wmma::fragment<wmma::accumulator, TILE, TILE, DEPTH, float>;

__device__ inline float4 rounded(float4 x) {
    return make_float4(wmma::__float_to_tf32(x.x), wmma::__float_to_tf32(x.y), wmma::__float_to_tf32(x.z),
                       wmma::__float_to_tf32(x.w));
}

// Round what copy_rows has brought to TF32, times a factor. After __pipeline_wait_prior a thread sees its own copies,
// those of the others only after the barrier; so each rounds its own before it, once for all warps.
template <int THREADS, int ROWS, int WIDTH, int STRIDE>
__device__ void round_rows(float* rows, float factor = 1) {
    each_quad<THREADS, ROWS, WIDTH>([=](int row, int c) {
        float* place = rows + row * STRIDE + c;
        store4(place, rounded(factor * load4(place)));
    });
}

__device__ inline void load_whole(Sums& sums, const float* from, int stride) {
    wmma::load_matrix_sync(sums, from, stride, wmma::mem_row_major);
}
template <typename Factor>
__device__ void load_whole(Factor& factor, const float* from, int stride) {
    wmma::load_matrix_sync(factor, from, stride);
}
__device__ inline void store_whole(float* to, const Sums& sums, int stride) {
    wmma::store_matrix_sync(to, sums, stride, wmma::mem_row_major);
}

// Where a lane's elements of a fragment lie in shared memory, in rows of LENGTH numbers that are `stride` apart. CUDA
// does not say, only that it is the same for all fragments of a kind. So one is loaded whose elements are their own
// places. With them a lane can load its elements itself, and that is faster: load_matrix_sync takes memory of any sort,
// and computes an address of 64 bits for every number.
template <typename Fragment, int LENGTH>
struct Places {
    int at[Fragment::num_elements];

    // scratch: 256 numbers of shared memory for this warp alone
    __device__ Places(float* scratch, int stride) {
        for (int i = threadIdx.x % WARP; i < TILE * TILE; i += WARP) scratch[i] = static_cast<float>(i);
        __syncwarp();
        Fragment numbers;
        load_whole(numbers, scratch, LENGTH);
        __syncwarp();
#pragma unroll
        for (int e = 0; e < Fragment::num_elements; ++e) {
            const int place = static_cast<int>(numbers.x[e]);
            at[e] = place / LENGTH * stride + place % LENGTH;
        }
    }

    __device__ Fragment load(const float* from) const {
        Fragment fragment;
#pragma unroll
        for (int e = 0; e < Fragment::num_elements; ++e) fragment.x[e] = from[at[e]];
        return fragment;
    }
};

// A warp writes its first `count` rows of d numbers from shared memory.
template <int ROWS, int WIDTH, int STRIDE>
__device__ void write_rows(float* to, const float* from, long long step, int count, int d) {
    for (int i = threadIdx.x % WARP; i < ROWS * WIDTH / 4; i += WARP) {
        const int row = i / (WIDTH / 4), c = i % (WIDTH / 4) * 4;
        if (row < count && c < d) store4(to + row * step + c, load4(from + row * STRIDE + c));
    }
}
