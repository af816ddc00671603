// Where the window of a convolution lies: what all kernels of this folder are told.
//
// Pixel (p, q) of picture b is computed. Its tap (i, j) lies on the pixel
//     h = p stride_h + first_h + i step_h,        w = q stride_w + first_w + j step_w
// of the picture that is read, and sees 0 where that is outside. For the forward sum, first = -padding and
// step = dilation. The gradient of the input is the same sum over the gradient of the output, with first = padding and
// step = -dilation: the window turned by 180 degrees.
//
// All taps of all pixels are a matrix A with a row for each pixel m = (b, p, q) and a column for each number
// k = (i, j, c) that a window sees, so that a convolution is the product of A with the weight, which has the rows
// (i, j, c) already. A is kh kw times as large as the picture and is never made: a kernel reads its element (m, k) from
// where it lies in the picture. That is an implicit matrix product.
#pragma once

struct Window {
    int B, H, W, C;  // the pictures that are read
    int P, Q;        // rows and columns of pixels that are computed
    int kh, kw;      // taps
    int stride_h, stride_w, first_h, first_w, step_h, step_w;
};

// A number in mixed digits, as hours, minutes and seconds are: m in digits (b, p, q), k in digits (i, j, c).
struct Digits {
    int high, middle, low;
};

__device__ inline Digits digits(int number, int middles, int lows) {
    return {number / lows / middles, number / lows % middles, number % lows};
}

// The sum of two such numbers: with two carries instead of two divisions, which are slow on a GPU.
__device__ inline Digits sum(Digits a, Digits b, int middles, int lows) {
    Digits total = {a.high + b.high, a.middle + b.middle, a.low + b.low};
    if (total.low >= lows) total.low -= lows, ++total.middle;
    if (total.middle >= middles) total.middle -= middles, ++total.high;
    return total;
}

__device__ inline bool inside(int place, int size) {  // 0 <= place < size: as an unsigned number, -1 is huge
    return static_cast<unsigned>(place) < static_cast<unsigned>(size);
}

// Element (m, k) of A, in the slow and plain way.
template <typename T>
__device__ T gathered(const T* x, const Window& window, int m, int k) {
    const Digits pixel = digits(m, window.P, window.Q), tap = digits(k, window.kw, window.C);
    const int h = pixel.middle * window.stride_h + window.first_h + tap.high * window.step_h;
    const int w = pixel.low * window.stride_w + window.first_w + tap.middle * window.step_w;
    if (!inside(h, window.H) || !inside(w, window.W)) return 0;
    return x[((pixel.high * window.H + h) * window.W + w) * window.C + tap.low];
}
