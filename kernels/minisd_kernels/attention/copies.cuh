// What the fast steps of attention have in common: rows copied into shared memory, and a softmax in powers of 2.
#pragma once

#include <cuda_pipeline.h>

#include "common.cuh"
#include "float4.cuh"

// exp(x) = exp2(x log2(e)), and the exponential of base 2 is an instruction.
constexpr float LOG2_E = 1.4426950408889634f, LN_2 = 0.6931471805599453f;
constexpr float LOWEST = -3.4e38f;  // where maxima begin: -infinity - -infinity would be NaN

// The score of a key that a query does not see: -infinity, whose weight is 0.
__device__ inline float hidden() { return __int_as_float(0xff800000); }

// A softmax's weight, from the score and the logsumexp in powers of 2. It is at most 1: rounding of huge scores must
// not make it more. NaN stays NaN.
__device__ inline float weight_of(float score, float logsumexp) {
    const float exponent = score - logsumexp;
    return exp2f(exponent > 0 ? 0.0f : exponent);
}

// Share out a tile of rows to a block's threads, four numbers to each at a time: neighbours side by side along a row.
template <int THREADS, int ROWS, int WIDTH, typename Use>
__device__ void each_quad(Use use) {
    constexpr int LANES = WIDTH > 64 ? 32 : WIDTH > 32 ? 16 : 8;  // of a row; a power of two divides without division
    for (int c = threadIdx.x % LANES * 4; c < WIDTH; c += LANES * 4)
#pragma unroll 2  // not more: the addresses would take registers
        for (int row = 0; row < ROWS; row += THREADS / LANES) use(row + threadIdx.x / LANES, c);
}

// Start to copy `count` rows of d numbers, `step` apart, into ROWS rows of WIDTH numbers in shared memory, STRIDE
// apart; zeros where there are no more. They are there after __pipeline_wait_prior and a barrier. d is a multiple of 4.
template <int THREADS, int ROWS, int WIDTH, int STRIDE>
__device__ void copy_rows(float* to, const float* from, int step, int count, int d) {
    each_quad<THREADS, ROWS, WIDTH>([=](int row, int c) {
        if (row < count && c < d)
            __pipeline_memcpy_async(to + row * STRIDE + c, from + row * step + c, sizeof(float4));
        else
            store4(to + row * STRIDE + c, all4(0));
    });
    __pipeline_commit();
}
