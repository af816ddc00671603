// Nearest-neighbour upsampling of x (B, H, W, C) to y (B, sh H, sw W, C), and its gradient.
//
// blockIdx.x is a row of a picture, so that row and picture cost a division per block; the threads of the row's blocks
// (blockIdx.y) take its numbers side by side.
#include "float4.cuh"

// Plain: a thread a number of y.
template <typename T>
__global__ void upsample2d_forward(const T* __restrict__ x, T* __restrict__ y, int H, int W, int C, int sh, int sw) {
    const int i = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;  // row of y
    if (i >= W * sw * C) return;
    const int b = row / (H * sh), h = row % (H * sh) / sh, w = i / C / sw, c = i % C;
    y[static_cast<long long>(row) * W * sw * C + i] = x[((static_cast<long long>(b) * H + h) * W + w) * C + c];
}

// Plain: a thread a number of grad_x, the sum over its block of pixels.
template <typename T>
__global__ void upsample2d_backward(const T* __restrict__ grad_y, T* __restrict__ grad_x, int W, int C, int sh,
                                    int sw) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;  // row of grad_x
    if (k >= W * C) return;
    const int w = k / C, c = k % C;
    T sum = 0;
    for (int i = 0; i < sh; ++i)
        for (int j = 0; j < sw; ++j)
            sum += grad_y[((static_cast<long long>(row) * sh + i) * W * sw + w * sw + j) * C + c];
    grad_x[static_cast<long long>(row) * W * C + k] = sum;
}

// Fast, for float32 and C a multiple of 4: a thread takes four channels. Forward it takes a pixel of x, not of y, and
// writes it sh sw times: x is read once, where the plain kernel asks for every number sh sw times, and one division
// serves the whole block of pixels. C4 = C / 4.
__global__ void upsample2d_forward_fours(const float* __restrict__ x, float* __restrict__ y, int W, int C4, int sh,
                                         int sw) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;  // row of x
    if (k >= W * C4) return;
    const int w = k / C4, c4 = k % C4;
    const float4 pixel = load4(x + 4 * (static_cast<long long>(row) * W * C4 + k));
    float* corner = y + 4 * ((static_cast<long long>(row) * sh * W + w) * sw * C4 + c4);
    for (int i = 0; i < sh; ++i)
        for (int j = 0; j < sw; ++j) store4(corner + 4 * (static_cast<long long>(i) * W * sw + j) * C4, pixel);
}

__global__ void upsample2d_backward_fours(const float* __restrict__ grad_y, float* __restrict__ grad_x, int W, int C4,
                                          int sh, int sw) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;
    if (k >= W * C4) return;
    const int w = k / C4, c4 = k % C4;
    const float* corner = grad_y + 4 * ((static_cast<long long>(row) * sh * W + w) * sw * C4 + c4);
    float4 sum = all4(0);
    for (int i = 0; i < sh; ++i)
#pragma unroll 2
        for (int j = 0; j < sw; ++j) sum = sum + load4(corner + 4 * (static_cast<long long>(i) * W * sw + j) * C4);
    store4(grad_x + 4 * (static_cast<long long>(row) * W * C4 + k), sum);
}
