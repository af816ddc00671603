"""Convolution on the CPU: the seven loops, and the rule that chooses among the fast versions.

linear.py      a 1 x 1 window of stride 1 is a linear layer
winograd.py    3 x 3 windows of stride 1, where a quarter of the products is enough
thin.py        to a few channels
direct.py      all others
"""

from __future__ import annotations

import numpy as np

from minisd_kernels import switches
from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.compiling import contiguous, jit
from minisd_kernels.conv2d import direct, thin, winograd
from minisd_kernels.linear import numba_cpu as linear

# The plain version, which float64 runs: seven loops. All three sums visit the same pairs of an output pixel (p, q) and
# an input pixel (h, w); only where the product goes differs.


@jit
def plain_forward(
    x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    (B, H, W, C), (kh, kw, _, O), (P, Q), ((top, _), (left, _)) = x.shape, weight.shape, size, padding
    y = np.zeros((B, P, Q, O), x.dtype)
    if bias is not None:
        y[:] = bias
    for b, p, q in np.ndindex((B, P, Q)):
        for i in range(kh):
            for j in range(kw):
                h, w = p * stride[0] - top + i * dilation[0], q * stride[1] - left + j * dilation[1]
                if 0 <= h < H and 0 <= w < W:
                    for c in range(C):
                        for o in range(O):
                            y[b, p, q, o] += x[b, h, w, c] * weight[i, j, c, o]
    return y


@jit
def plain_input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    (B, P, Q, O), (kh, kw, C, _), (H, W), ((top, _), (left, _)) = grad_y.shape, weight.shape, size, padding
    grad_x = np.zeros((B, H, W, C), grad_y.dtype)
    if bias is not None:
        grad_x[:] = bias
    for b, p, q in np.ndindex((B, P, Q)):
        for i in range(kh):
            for j in range(kw):
                h, w = p * stride[0] - top + i * dilation[0], q * stride[1] - left + j * dilation[1]
                if 0 <= h < H and 0 <= w < W:
                    for c in range(C):
                        for o in range(O):
                            grad_x[b, h, w, c] += grad_y[b, p, q, o] * weight[i, j, c, o]
    return grad_x


@jit
def plain_weight_gradient(
    grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    (B, P, Q, O), (_, H, W, C), (kh, kw), ((top, _), (left, _)) = grad_y.shape, x.shape, window, padding
    grad_weight, grad_bias = np.zeros((kh, kw, C, O), x.dtype), np.zeros(O, x.dtype)
    for b, p, q in np.ndindex((B, P, Q)):
        for o in range(O):
            grad_bias[o] += grad_y[b, p, q, o]
        for i in range(kh):
            for j in range(kw):
                h, w = p * stride[0] - top + i * dilation[0], q * stride[1] - left + j * dilation[1]
                if 0 <= h < H and 0 <= w < W:
                    for c in range(C):
                        for o in range(O):
                            grad_weight[i, j, c, o] += grad_y[b, p, q, o] * x[b, h, w, c]
    return grad_weight, grad_bias


_THIN = 8  # output channels: fewer leave most of the register tile's columns idle


def _is_linear(window: Pair, stride: Pair, padding: Sides, large: Array, small: Array) -> bool:
    """A 1 x 1 window that visits every pixel is a linear layer: nothing to gather.

    A transposed convolution's output padding adds pixels that it does not visit.
    """
    return (window, stride, padding) == ((1, 1), (1, 1), ((0, 0), (0, 0))) and large.shape[1:3] == small.shape[1:3]


def _takes_winograd(window: Pair, stride: Pair, dilation: Pair, C: int, O: int, size: Pair) -> bool:
    """The rule by which winograd.py computes an output of `size` pixels, where it is allowed at all."""
    if (window, stride, dilation) != ((3, 3), (1, 1), (1, 1)) or not switches.winograd:
        return False
    # Milliseconds of direct.py / of winograd.py, two threads of AMD Zen 4, medians:
    #                            forward        input gradient   weight gradient
    #   128 x 28x28, 32 -> 32     9.2 /  4.8     9.3 /  4.8      9.3 /  5.1
    #   128 x 14x14, 64 -> 64     9.0 /  5.0     9.4 /  5.5      9.3 /  6.2
    #   128 x  7x7, 128 -> 128    9.0 /  4.3     9.7 /  4.4     10.6 /  5.9
    #    64 x  4x4,  96 -> 96     0.9 /  0.7     1.0 /  0.8      1.6 /  1.1
    #     1 x  7x7,  64 -> 64    0.09 / 0.22    0.09 / 0.22     0.15 / 0.31
    #   128 x 14x14, 16 -> 16     0.8 /  1.4     0.8 /  1.5      0.9 /  1.6
    #     2 x 64x64, 320 -> 320    77 /   36      72 /   29      101 /   30
    #     2 x 16x16, 1280 -> 1280  90 /   32      90 /   31      267 /   33
    #     2 x  8x8, 1280 -> 1280   31 /   19      30 /   18       80 /   28
    # So from 32 channels on. One small picture alone loses, but the batch may not decide: a sample must not round by
    # its company. Of a tile's 16 outputs at least 9 on average must lie in the picture.
    tiles = -(-size[0] // 4) * -(-size[1] // 4)
    return min(C, O) >= 32 and size[0] * size[1] >= 9 * tiles


def forward(
    x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    x = contiguous(x)
    (B, _, _, C), (kh, kw, _, O) = x.shape, weight.shape
    if x.dtype == np.float64:
        return plain_forward(x, contiguous(weight), contiguous(bias), size, stride, padding, dilation)
    y = np.empty((B, *size, O), x.dtype)
    if _is_linear((kh, kw), stride, padding, x, y):
        linear.rows_times(_rows(x), weight[0, 0], bias, _rows(y))
    elif _takes_winograd((kh, kw), stride, dilation, C, O, size):
        winograd.forward(x, weight, bias, y, padding)
    elif 0 < O <= _THIN:
        thin.forward(x, weight, bias, y, stride, padding, dilation)
    else:
        direct.forward(x, weight, bias, y, stride, padding, dilation)
    return y


def input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    grad_y = contiguous(grad_y)
    (B, _, _, O), (kh, kw, C, _) = grad_y.shape, weight.shape
    if grad_y.dtype == np.float64:
        return plain_input_gradient(grad_y, contiguous(weight), contiguous(bias), size, stride, padding, dilation)
    grad_x = np.empty((B, *size, C), grad_y.dtype)
    if _is_linear((kh, kw), stride, padding, grad_x, grad_y):
        linear.rows_times(_rows(grad_y), weight[0, 0].T, bias, _rows(grad_x))
    elif _takes_winograd((kh, kw), stride, dilation, C, O, size):
        winograd.input_gradient(grad_y, weight, bias, grad_x, padding)
    elif 0 < C <= _THIN:
        thin.input_gradient(grad_y, weight, bias, grad_x, stride, padding, dilation)
    else:
        direct.input_gradient(grad_y, weight, bias, grad_x, stride, padding, dilation)
    return grad_x


def weight_gradient(
    grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    grad_y, x = contiguous(grad_y), contiguous(x)
    C, O = x.shape[3], grad_y.shape[3]
    if x.dtype == np.float64:
        return plain_weight_gradient(grad_y, x, window, stride, padding, dilation)
    if _is_linear(window, stride, padding, x, grad_y):
        grad_weight, grad_bias = linear.weight_and_bias_gradient(_rows(x), _rows(grad_y))
        return grad_weight.reshape(1, 1, C, O), grad_bias
    if _takes_winograd(window, stride, dilation, C, O, (grad_y.shape[1], grad_y.shape[2])):
        from minisd_kernels.conv2d import winograd_weight  # who only draws need not compile it

        return winograd_weight.weight_gradient(grad_y, x, padding)
    if 0 < O <= _THIN:
        return thin.weight_gradient(grad_y, x, window, stride, padding, dilation)
    return direct.weight_gradient(grad_y, x, window, stride, padding, dilation)


def _rows(pixels: Array) -> Array:
    """Pictures as a matrix with a row for each pixel."""
    B, H, W, C = pixels.shape
    return pixels.reshape(B * H * W, C)
