// Sums over many numbers in two steps: several blocks make parts of a sum, and then the parts are added up, always in
// the same order, so that the last bits never change.

#include "common.cuh"

// y[i] = bias[i % N] + parts[0][i] + parts[1][i] + ...: what the blocks of a split product left. A thread takes one i.
__global__ void conv2d_add_parts(const float* __restrict__ parts, const float* __restrict__ bias, float* __restrict__ y,
                                 int count, int size, int N) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    float sum = 0;
#pragma unroll 4
    for (int part = 0; part < count; ++part) sum += parts[static_cast<long long>(part) * size + i];
    y[i] = sum + (bias ? bias[i % N] : 0);
}

// The first step of the bias' gradient: parts[block][o] = the sum of grad_y[m, o] over the block's pixels m. The lanes
// of a warp take neighbouring channels, the warps of a block take pixels in turn.
template <typename T>
__global__ void conv2d_bias_parts(const T* __restrict__ grad_y, T* __restrict__ parts, int M, int O) {
    __shared__ T sums[8][WARP];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, o = blockIdx.x * WARP + lane;
    T sum = 0;
    if (o < O) {
#pragma unroll 4
        for (int m = blockIdx.y * 8 + warp; m < M; m += gridDim.y * 8) sum += grad_y[static_cast<long long>(m) * O + o];
    }
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && o < O) {
        for (int other = 1; other < 8; ++other) sum += sums[other][lane];
        parts[blockIdx.y * O + o] = sum;
    }
}
