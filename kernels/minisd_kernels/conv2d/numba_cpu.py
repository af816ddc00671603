"""Convolution on the CPU: the seven loops, and the rule that chooses among the fast versions.

linear.py     a 1 x 1 window of stride 1 is a linear layer
winograd.py   3 x 3 windows of stride 1, where a quarter of the products is enough
thin.py       to a few channels
direct.py     all others
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from minisd_kernels import switches
from minisd_kernels.arguments import Pair, Sides
from minisd_kernels.compiling import contiguous, jit
from minisd_kernels.conv2d import direct, thin, winograd
from minisd_kernels.linear import numba_cpu as linear

Array = npt.NDArray[Any]


# The plain version: float64 runs it. One loop body serves all three sums, because all three visit the same pairs of
# an output pixel and an input pixel; only where the product goes differs.


@jit
def _forward_plain(x, weight, y, stride, padding, dilation):
    B, H, W, C = x.shape
    kh, kw, _, O = weight.shape
    (top, _), (left, _) = padding
    for b in range(B):
        for p in range(y.shape[1]):
            for q in range(y.shape[2]):
                for i in range(kh):
                    for j in range(kw):
                        h, w = p * stride[0] - top + i * dilation[0], q * stride[1] - left + j * dilation[1]
                        if 0 <= h < H and 0 <= w < W:
                            for c in range(C):
                                for o in range(O):
                                    y[b, p, q, o] += x[b, h, w, c] * weight[i, j, c, o]


@jit
def _backward_plain(grad, x, weight, grad_x, grad_weight, stride, padding, dilation):
    B, H, W, C = x.shape
    kh, kw, _, O = weight.shape
    (top, _), (left, _) = padding
    for b in range(B):
        for p in range(grad.shape[1]):
            for q in range(grad.shape[2]):
                for i in range(kh):
                    for j in range(kw):
                        h, w = p * stride[0] - top + i * dilation[0], q * stride[1] - left + j * dilation[1]
                        if 0 <= h < H and 0 <= w < W:
                            for c in range(C):
                                for o in range(O):
                                    grad_x[b, h, w, c] += grad[b, p, q, o] * weight[i, j, c, o]
                                    grad_weight[i, j, c, o] += grad[b, p, q, o] * x[b, h, w, c]


_THIN = 8  # output channels: fewer leave most of the register tile's columns idle


def _is_linear(window: Pair, stride: Pair, padding: Sides) -> bool:
    """A 1 x 1 window that visits every pixel is a linear layer: nothing to gather."""
    return (window, stride, padding) == ((1, 1), (1, 1), ((0, 0), (0, 0)))


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
    y = np.empty((B, *size, O), x.dtype)
    if x.dtype == np.float64:
        y[:] = 0 if bias is None else bias
        _forward_plain(x, contiguous(weight), y, stride, padding, dilation)
    elif _is_linear((kh, kw), stride, padding):
        linear.rows_times(x.reshape(-1, C), weight[0, 0], bias, y.reshape(-1, O))
    elif _takes_winograd((kh, kw), stride, dilation, C, O, size):
        winograd.forward(x, weight, bias, y, padding)
    elif 0 < O <= _THIN:
        thin.forward(x, weight, bias, y, stride, padding, dilation)
    else:
        direct.forward(x, weight, bias, y, stride, padding, dilation)
    return y


def input_gradient(
    grad: Array,
    weight: Array,
    size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    bias: Array | None = None,
) -> Array:
    """The gradient of x; with a bias, which is added to it, a transposed convolution."""
    grad = contiguous(grad)
    (B, _, _, O), (kh, kw, C, _) = grad.shape, weight.shape
    grad_x = np.empty((B, *size, C), grad.dtype)
    if grad.dtype == np.float64:
        grad_x[:], weight = 0 if bias is None else bias, contiguous(weight)
        _backward_plain(grad, np.zeros_like(grad_x), weight, grad_x, np.zeros_like(weight), stride, padding, dilation)
    elif _is_linear((kh, kw), stride, padding):
        linear.rows_times(grad.reshape(-1, O), weight[0, 0].T, bias, grad_x.reshape(-1, C))
    elif _takes_winograd((kh, kw), stride, dilation, C, O, size):
        winograd.input_gradient(grad, weight, bias, grad_x, padding)
    elif 0 < C <= _THIN:
        thin.input_gradient(grad, weight, bias, grad_x, stride, padding, dilation)
    else:
        direct.input_gradient(grad, weight, bias, grad_x, stride, padding, dilation)
    return grad_x


def weight_gradient(
    grad: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    grad, x = contiguous(grad), contiguous(x)
    C, O = x.shape[3], grad.shape[3]
    if x.dtype == np.float64:
        grad_weight = np.zeros((*window, C, O))
        _backward_plain(grad, x, np.zeros_like(grad_weight), np.zeros_like(x), grad_weight, stride, padding, dilation)
        return grad_weight, grad.sum(axis=(0, 1, 2))
    if _is_linear(window, stride, padding):
        grad_weight, grad_bias = linear.weight_and_bias_gradient(x.reshape(-1, C), grad.reshape(-1, O))
        return grad_weight.reshape(1, 1, C, O), grad_bias
    if _takes_winograd(window, stride, dilation, C, O, (grad.shape[1], grad.shape[2])):
        from minisd_kernels.conv2d import winograd_weight  # who only draws need not compile it

        return winograd_weight.weight_gradient(grad, x, padding)
    if 0 < O <= _THIN:
        return thin.weight_gradient(grad, x, window, stride, padding, dilation)
    return direct.weight_gradient(grad, x, window, stride, padding, dilation)
