// Max pooling of x (B, H, W, C) to y (B, P, Q, C), and argmax, the place i kw + j of the maximum in its window.
//
// blockIdx.x is a row of pixels of a picture, so that row and picture cost a division per block; the threads of the
// row's blocks (blockIdx.y) take its numbers side by side. Place is the type of argmax.
#include "float4.cuh"

// Less than all numbers, in bits: its name is in a header that a compiler for the GPU alone has not.
__device__ inline float minus_infinity() { return __int_as_float(0xff800000); }

// Plain: a thread a window.
template <typename T, typename Place>
__global__ void max_pool2d_forward(const T* __restrict__ x, T* __restrict__ y, Place* __restrict__ argmax, int H, int W,
                                   int C, int kh, int kw, int sh, int sw, int ph, int pw, int P, int Q) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;  // row of y
    if (k >= Q * C) return;
    const int b = row / P, p = row % P, q = k / C, c = k % C;
    T best = minus_infinity();
    int place = max(0, ph - p * sh) * kw + max(0, pw - q * sw);  // the first in the picture, should all be -inf
    for (int i = 0; i < kh; ++i)
        for (int j = 0; j < kw; ++j) {
            const int h = p * sh - ph + i, w = q * sw - pw + j;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            const T value = x[((static_cast<long long>(b) * H + h) * W + w) * C + c];
            if (best >= value || best != best) continue;  // the first of equal numbers stays, and so does a NaN
            best = value;
            place = i * kw + j;
        }
    y[static_cast<long long>(row) * Q * C + k] = best;
    argmax[static_cast<long long>(row) * Q * C + k] = place;
}

// Plain: a thread a number of grad_x. It asks all windows over its pixel whether their maximum stood there, always in
// the same order; were windows to add to the pixel, the order would change from run to run, and the last bits with it.
template <typename T, typename Place>
__global__ void max_pool2d_backward(const T* __restrict__ grad_y, const Place* __restrict__ argmax,
                                    T* __restrict__ grad_x, int H, int W, int C, int kh, int kw, int sh, int sw, int ph,
                                    int pw, int P, int Q) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;  // row of grad_x
    if (k >= W * C) return;
    const int b = row / H, h = row % H, w = k / C, c = k % C;
    T sum = 0;
    for (int p = max(0, (h + ph - kh + sh) / sh); p < P && p * sh <= h + ph; ++p)
        for (int q = max(0, (w + pw - kw + sw) / sw); q < Q && q * sw <= w + pw; ++q) {
            const long long window = ((static_cast<long long>(b) * P + p) * Q + q) * C + c;
            const int tap = (h + ph - p * sh) * kw + w + pw - q * sw;
            if (argmax[window] == tap) sum += grad_y[window];
        }
    grad_x[static_cast<long long>(row) * W * C + k] = sum;
}

// Fast, for float32, C a multiple of 4, and windows that lie side by side inside the picture: no padding, and the
// stride is the window's size. A thread takes four channels of a window. No pixel has to be tested for the border, and
// four divisions and four bytes of argmax become one. C4 = C / 4.

// What has been found in a channel so far.
struct Best {
    float value;
    unsigned char place;
};

__device__ inline void meet(Best& best, float value, unsigned char place) {
    if (!(best.value >= value || best.value != best.value)) best = {value, place};
}

__global__ void max_pool2d_forward_fours(const float* __restrict__ x, float* __restrict__ y,
                                         unsigned char* __restrict__ argmax, int H, int W, int C4, int kh, int kw,
                                         int P, int Q) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, row = blockIdx.x;  // row of y
    if (k >= Q * C4) return;
    const int b = row / P, p = row % P, q = k / C4, c4 = k % C4;
    const float* corner = x + 4 * (((static_cast<long long>(b) * H + p * kh) * W + q * kw) * C4 + c4);
    const Best none = {minus_infinity(), 0};
    Best first = none, second = none, third = none, fourth = none;
    for (int i = 0; i < kh; ++i)
#pragma unroll 2
        for (int j = 0; j < kw; ++j) {
            const float4 pixel = load4(corner + 4 * (static_cast<long long>(i) * W + j) * C4);
            meet(first, pixel.x, i * kw + j);
            meet(second, pixel.y, i * kw + j);
            meet(third, pixel.z, i * kw + j);
            meet(fourth, pixel.w, i * kw + j);
        }
    const long long window = 4 * (static_cast<long long>(row) * Q * C4 + k);
    store4(y + window, make_float4(first.value, second.value, third.value, fourth.value));
    *reinterpret_cast<uchar4*>(argmax + window) = make_uchar4(first.place, second.place, third.place, fourth.place);
}

// A thread reads its window's gradient once and writes all kh kw pixels, the gradient to the place of the maximum and 0
// to the others: grad_x is written once, and need not be cleared first. The last rows and columns, too few for a
// window, get threads, too, with a gradient of 0.
__global__ void max_pool2d_backward_fours(const float* __restrict__ grad_y, const unsigned char* __restrict__ argmax,
                                          float* __restrict__ grad_x, int H, int W, int C4, int kh, int kw, int P,
                                          int Q) {
    const int k = blockIdx.y * blockDim.x + threadIdx.x, rows = (H + kh - 1) / kh, columns = (W + kw - 1) / kw;
    if (k >= columns * C4) return;
    const int b = blockIdx.x / rows, p = blockIdx.x % rows, q = k / C4, c4 = k % C4;
    float4 gradient = all4(0);
    uchar4 place = make_uchar4(0, 0, 0, 0);
    if (p < P && q < Q) {
        const long long window = 4 * (((static_cast<long long>(b) * P + p) * Q + q) * C4 + c4);
        gradient = load4(grad_y + window);
        place = *reinterpret_cast<const uchar4*>(argmax + window);
    }
    float* corner = grad_x + 4 * (((static_cast<long long>(b) * H + p * kh) * W + q * kw) * C4 + c4);
    for (int i = 0; i < kh && p * kh + i < H; ++i)
        for (int j = 0; j < kw && q * kw + j < W; ++j) {
            const int tap = i * kw + j;
            store4(corner + 4 * (static_cast<long long>(i) * W + j) * C4,
                   make_float4(place.x == tap ? gradient.x : 0, place.y == tap ? gradient.y : 0,
                               place.z == tap ? gradient.z : 0, place.w == tap ? gradient.w : 0));
        }
}
