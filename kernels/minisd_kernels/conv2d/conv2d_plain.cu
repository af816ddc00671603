// Convolution, step 1 of 4: one thread computes one number, straight from the equation.
//
// Neighbouring threads take neighbouring channels: those of a warp read neighbouring weights, which memory gives at
// once, and the same number of x. Every product costs two reads. The caches answer most of them, but a multiprocessor
// can multiply and add 128 numbers in a cycle and read only 32. The next step reads less (conv2d_tiled.cu).
//
// All kernels here take the window of the forward sum: first = -padding, step = dilation.
#include "../conv2d/window.cuh"
#include "common.cuh"

template <typename T>
__global__ void conv2d_plain_forward(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias,
                                     T* __restrict__ y, Window window, int O) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const auto [B, H, W, C, P, Q, kh, kw, stride_h, stride_w, first_h, first_w, step_h, step_w] = window;
    const int o = index % O, q = index / O % Q, p = index / O / Q % P, b = index / O / Q / P;
    if (b >= B) return;
    T sum = bias ? bias[o] : 0;
    for (int i = 0; i < kh; ++i) {
        for (int j = 0; j < kw; ++j) {
            const int h = p * stride_h + first_h + i * step_h, w = q * stride_w + first_w + j * step_w;
            if (!inside(h, H) || !inside(w, W)) continue;
            const T* pixel = x + ((b * H + h) * W + w) * C;
            const T* tap = weight + (i * kw + j) * C * O + o;
            for (int c = 0; c < C; ++c) sum += pixel[c] * tap[c * O];
        }
    }
    y[index] = sum;
}

// A thread takes one number of x and asks, for each tap, which output pixel had this tap on it.
template <typename T>
__global__ void conv2d_plain_input_gradient(const T* __restrict__ grad_y, const T* __restrict__ weight,
                                            const T* __restrict__ bias, T* __restrict__ grad_x, Window window, int O) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const auto [B, H, W, C, P, Q, kh, kw, stride_h, stride_w, first_h, first_w, step_h, step_w] = window;
    const int c = index % C, w = index / C % W, h = index / C / W % H, b = index / C / W / H;
    if (b >= B) return;
    T sum = bias ? bias[c] : 0;
    for (int i = 0; i < kh; ++i) {
        for (int j = 0; j < kw; ++j) {
            const int down = h - first_h - i * step_h, right = w - first_w - j * step_w;  // p stride_h, q stride_w
            if (down % stride_h != 0 || right % stride_w != 0) continue;
            const int p = down / stride_h, q = right / stride_w;
            if (!inside(p, P) || !inside(q, Q)) continue;
            const T* pixel = grad_y + ((b * P + p) * Q + q) * O;
            const T* tap = weight + ((i * kw + j) * C + c) * O;
            for (int o = 0; o < O; ++o) sum += pixel[o] * tap[o];
        }
    }
    grad_x[index] = sum;
}

// A warp takes one weight and its lanes share out the pixels: they add up in an order that never changes.
template <typename T>
__global__ void conv2d_plain_weight_gradient(const T* __restrict__ grad_y, const T* __restrict__ x,
                                             T* __restrict__ grad_weight, Window window, int O) {
    const int index = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, lane = threadIdx.x % WARP;
    const auto [B, H, W, C, P, Q, kh, kw, stride_h, stride_w, first_h, first_w, step_h, step_w] = window;
    const int o = index % O, c = index / O % C, j = index / O / C % kw, i = index / O / C / kw;
    T sum = 0;
    for (int m = lane; m < B * P * Q; m += WARP) {
        const auto [b, p, q] = digits(m, P, Q);
        const int h = p * stride_h + first_h + i * step_h, w = q * stride_w + first_w + j * step_w;
        if (i < kh && inside(h, H) && inside(w, W)) sum += grad_y[m * O + o] * x[((b * H + h) * W + w) * C + c];
    }
    sum = warp_sum(sum);
    if (i < kh && lane == 0) grad_weight[index] = sum;
}
