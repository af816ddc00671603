// What kernels of several operations share: sums and maxima over a warp, sums over a block.
//
// A warp is 32 threads that run together and read each other's registers through shuffles. A block's sum goes through
// its warps: each sums itself, lane 0 leaves the sum in shared memory, and every thread adds up what lies there.
#pragma once

constexpr int WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

// Every lane gets the sum of all 32. In each round a lane adds the number of the lane that differs from it in one bit.
template <typename T>
__device__ T warp_sum(T value) {
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value += __shfl_xor_sync(ALL_LANES, value, distance);
    return value;
}

template <typename T>
__device__ T larger(T a, T b) {  // NaN stays NaN
    return a > b || a != a ? a : b;
}

template <typename T>
__device__ T warp_max(T value) {
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        value = larger(value, __shfl_xor_sync(ALL_LANES, value, distance));
    return value;
}

// Every thread of a block of up to 1024, a multiple of 32, gets the sum; scratch is shared memory for 32 numbers.
template <typename T>
__device__ T block_sum(T value, T* scratch) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    value = warp_sum(value);
    __syncthreads();  // scratch may still be read by whoever used it before
    if (lane == 0) scratch[warp] = value;
    __syncthreads();
    T total = 0;
    for (int w = 0; w < warps; ++w) total += scratch[w];
    return total;
}
