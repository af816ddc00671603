"""Convolution on the CPU: seven loops, then the same sum as matrix products in the register tile.

Wide 3 x 3 convolutions in float32 go to winograd.py, which needs fewer products; _takes_winograd is the rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import prange

from minisd_kernels.arguments import Pair
from minisd_kernels.backends import winograd_allowed
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit
from minisd_kernels.conv2d import winograd
from minisd_kernels.linear import numba_cpu as linear
from minisd_kernels.register_tile import add_rows, copy, multiply_add, pack, packed_size

Array = npt.NDArray[Any]


# The plain version: float64 runs it. One loop body serves all three sums, because all three visit the same pairs of
# an output pixel and an input pixel; only where the product goes differs.


@jit
def _forward_plain(x, weight, y, stride, padding, dilation):
    B, H, W, C = x.shape
    kh, kw, _, O = weight.shape
    for b in range(B):
        for p in range(y.shape[1]):
            for q in range(y.shape[2]):
                for i in range(kh):
                    for j in range(kw):
                        h, w = (
                            p * stride[0] - padding[0] + i * dilation[0],
                            q * stride[1] - padding[1] + j * dilation[1],
                        )
                        if 0 <= h < H and 0 <= w < W:
                            for c in range(C):
                                for o in range(O):
                                    y[b, p, q, o] += x[b, h, w, c] * weight[i, j, c, o]


@jit
def _backward_plain(grad, x, weight, grad_x, grad_weight, stride, padding, dilation):
    B, H, W, C = x.shape
    kh, kw, _, O = weight.shape
    for b in range(B):
        for p in range(grad.shape[1]):
            for q in range(grad.shape[2]):
                for i in range(kh):
                    for j in range(kw):
                        h, w = (
                            p * stride[0] - padding[0] + i * dilation[0],
                            q * stride[1] - padding[1] + j * dilation[1],
                        )
                        if 0 <= h < H and 0 <= w < W:
                            for c in range(C):
                                for o in range(O):
                                    grad_x[b, h, w, c] += grad[b, p, q, o] * weight[i, j, c, o]
                                    grad_weight[i, j, c, o] += grad[b, p, q, o] * x[b, h, w, c]


# The fast version, float32. A window's kh kw C numbers, laid in a row, turn the convolution into a matrix product
# (im2col). Done for the whole batch that matrix is kh kw times larger than x and comes from main memory; done for
# _BLOCK output pixels at a time it never leaves the L2 cache, and the register tile runs over it at full speed.
#   forward:          windows (pixels x kh kw C)  times  weight (kh kw C x O)
#   input gradient:   grad (pixels x O)           times  weight^T (O x kh kw C), every row added back onto its window
#   weight gradient:  windows^T                   times  grad, summed over pixels in CHUNKS parts added in order

_BLOCK = 56  # output pixels at a time, a multiple of every tile height


@jit
def _gather_windows(x, geometry, first, count, windows):
    """windows[n] = the window of output pixel first + n, zeros where it lies on the padding."""
    H, W, C, kh, kw, OH, OW, sh, sw, ph, pw, dh, dw = geometry
    start = 0
    for n in range(first, first + count):
        b, rest = n // (OH * OW), n % (OH * OW)
        top, left = (rest // OW) * sh - ph, (rest % OW) * sw - pw
        for i in range(kh):
            h = top + i * dh
            if 0 <= h < H and dw == 1 and left >= 0 and left + kw <= W:  # a whole row of the window lies in one piece
                copy(x, ((b * H + h) * W + left) * C, windows, start, kw * C)
            else:
                for j in range(kw):
                    w = left + j * dw
                    if 0 <= h < H and 0 <= w < W:
                        copy(x, ((b * H + h) * W + w) * C, windows, start + j * C, C)
                    else:
                        windows[start + j * C : start + (j + 1) * C] = np.float32(0)
            start += kw * C


@jit
def _scatter_windows(windows, geometry, first, count, x):
    """x += the windows of output pixels first ... first + count - 1, put back where they were gathered."""
    H, W, C, kh, kw, OH, OW, sh, sw, ph, pw, dh, dw = geometry
    start = 0
    for n in range(first, first + count):
        b, rest = n // (OH * OW), n % (OH * OW)
        top, left = (rest // OW) * sh - ph, (rest % OW) * sw - pw
        for i in range(kh):
            h = top + i * dh
            for j in range(kw):
                w = left + j * dw
                if 0 <= h < H and 0 <= w < W:
                    pixel = ((b * H + h) * W + w) * C
                    target, source = x[pixel : pixel + C], windows[start : start + C]
                    for c in range(C):
                        target[c] += source[c]
                start += C


@parallel_jit
def _forward_fast(x, geometry, packed, O, y, windows):
    depth = geometry[2] * geometry[3] * geometry[4]
    pixels = y.size // O
    blocks = (pixels + _BLOCK - 1) // _BLOCK
    for chunk in prange(CHUNKS):
        for block in range(blocks * chunk // CHUNKS, blocks * (chunk + 1) // CHUNKS):
            first = block * _BLOCK
            count = min(_BLOCK, pixels - first)
            _gather_windows(x, geometry, first, count, windows[chunk])
            multiply_add(windows[chunk], 0, depth, 1, count, packed, depth, O, y, first * O, O)


@parallel_jit
def _input_gradient_fast(grad, geometry, packed, O, B, grad_x, windows):
    depth = geometry[2] * geometry[3] * geometry[4]
    pixels = geometry[5] * geometry[6]
    for chunk in prange(CHUNKS):  # whole pictures, so that no two threads add to the same pixel
        stop = B * (chunk + 1) // CHUNKS * pixels
        for first in range(B * chunk // CHUNKS * pixels, stop, _BLOCK):
            count = min(_BLOCK, stop - first)
            windows[chunk, : count * depth] = np.float32(0)
            multiply_add(grad, first * O, O, 1, count, packed, O, depth, windows[chunk], 0, depth)
            _scatter_windows(windows[chunk], geometry, first, count, grad_x)


@parallel_jit
def _weight_gradient_fast(grad, x, geometry, O, parts, bias_parts, windows, packs):
    depth = geometry[2] * geometry[3] * geometry[4]
    pixels = grad.size // O
    blocks = (pixels + _BLOCK - 1) // _BLOCK
    for chunk in prange(CHUNKS):
        for block in range(blocks * chunk // CHUNKS, blocks * (chunk + 1) // CHUNKS):
            first = block * _BLOCK
            count = min(_BLOCK, pixels - first)
            _gather_windows(x, geometry, first, count, windows[chunk])
            add_rows(grad, first * O, count, O, bias_parts[chunk])
            pack(grad, first * O, O, 1, count, O, packs[chunk])
            multiply_add(windows[chunk], 0, 1, depth, depth, packs[chunk], count, O, parts[chunk], 0, O)


def _is_linear(window: Pair, stride: Pair, padding: Pair) -> bool:
    """A 1 x 1 window that visits every pixel is a linear layer: nothing to gather."""
    return window == (1, 1) and stride == (1, 1) and padding == (0, 0)


def _takes_winograd(window: Pair, stride: Pair, dilation: Pair, C: int, O: int, size: Pair) -> bool:
    """The rule by which winograd.py computes an output of `size` pixels, where it is allowed at all."""
    if (window, stride, dilation) != ((3, 3), (1, 1), (1, 1)) or not winograd_allowed():
        return False
    # Time of the windows above / time of Winograd, weights transformed in both, forward and gradient; AMD Zen 4, one
    # thread's processor time, medians:
    #   2 x 64x64, 320 -> 320     2.3  2.4      1 x 64x64,  64 ->  64     1.9  1.9      1 x 16x16, 128 -> 128   1.4  1.4
    #   2 x 32x32, 640 -> 640     2.0  2.2      1 x 570x570, 64 -> 64     2.1  2.5      1 x  8x8,  128 -> 128   0.9  1.1
    #   2 x 16x16, 1280 -> 1280   1.6  2.0      128 x 14x14, 64 -> 64     1.5  1.7      1 x  7x7,  256 -> 256   0.8  0.8
    #   2 x  8x8,  1280 -> 1280   1.1  1.2      128 x 7x7, 128 -> 128     1.9  2.0      1 x  5x5,  256 -> 256   0.6  0.6
    # It begins at 128 channels: with two threads minisd's own layers of 64 and 96 gained nothing (milliseconds a step,
    # two runs each: U-Net 137, 135 without and 157, 120 with; VAE 90, 85 and 100, 96), and drawing began later.
    # The batch pays for the weights' transform, but may not decide: a sample must not round by its company. Of a tile's
    # 16 outputs at least 9 on average must lie in the picture.
    pixels, tiles = size[0] * size[1], -(-size[0] // 4) * -(-size[1] // 4)
    return min(C, O) >= 128 and pixels >= 49 and pixels >= 9 * tiles


def _window_buffers(depth: int) -> Array:
    return np.empty((CHUNKS, _BLOCK * depth), np.float32)


def forward(
    x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    x, weight = contiguous(x), contiguous(weight)
    (B, H, W, C), (kh, kw, _, O) = x.shape, weight.shape
    y = np.empty((B, *size, O), x.dtype)
    y[:] = 0 if bias is None else bias
    if x.dtype == np.float64:
        _forward_plain(x, weight, y, stride, padding, dilation)
    elif _is_linear((kh, kw), stride, padding):
        linear.rows_times(x.reshape(-1, C), weight[0, 0], y.reshape(-1, O))
    elif _takes_winograd((kh, kw), stride, dilation, C, O, size):
        winograd.forward(x, weight, y, padding)
    else:
        depth = kh * kw * C
        packed = np.empty(packed_size(depth, O), np.float32)
        pack(weight.reshape(-1), 0, O, 1, depth, O, packed)
        geometry = (H, W, C, kh, kw, *size, *stride, *padding, *dilation)
        _forward_fast(x.reshape(-1), geometry, packed, O, y.reshape(-1), _window_buffers(depth))
    return y


def input_gradient(grad: Array, weight: Array, size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    grad, weight = contiguous(grad), contiguous(weight)
    (B, OH, OW, O), (kh, kw, C, _) = grad.shape, weight.shape
    grad_x = np.zeros((B, *size, C), grad.dtype)
    if grad.dtype == np.float64:
        _backward_plain(grad, np.zeros_like(grad_x), weight, grad_x, np.zeros_like(weight), stride, padding, dilation)
    elif _is_linear((kh, kw), stride, padding):
        linear.rows_times(grad.reshape(-1, O), weight[0, 0].T, grad_x.reshape(-1, C))
    elif _takes_winograd((kh, kw), stride, dilation, C, O, size):
        winograd.input_gradient(grad, weight, grad_x, padding)
    else:
        depth = kh * kw * C
        packed = np.empty(packed_size(O, depth), np.float32)
        pack(weight.reshape(-1), 0, 1, O, O, depth, packed)
        geometry = (*size, C, kh, kw, OH, OW, *stride, *padding, *dilation)
        _input_gradient_fast(grad.reshape(-1), geometry, packed, O, B, grad_x.reshape(-1), _window_buffers(depth))
    return grad_x


def weight_gradient(
    grad: Array, x: Array, window: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[Array, Array]:
    grad, x = contiguous(grad), contiguous(x)
    (_, H, W, C), (_, OH, OW, O) = x.shape, grad.shape
    if x.dtype == np.float64:
        grad_weight = np.zeros((*window, C, O))
        _backward_plain(grad, x, np.zeros_like(grad_weight), np.zeros_like(x), grad_weight, stride, padding, dilation)
        return grad_weight, grad.sum(axis=(0, 1, 2))
    if _is_linear(window, stride, padding):
        grad_weight, grad_bias = linear.weight_and_bias_gradient(x.reshape(-1, C), grad.reshape(-1, O))
        return grad_weight.reshape(1, 1, C, O), grad_bias
    depth = window[0] * window[1] * C
    parts, bias_parts = np.zeros((CHUNKS, depth * O), np.float32), np.zeros((CHUNKS, O), np.float32)
    packs = np.empty((CHUNKS, packed_size(_BLOCK, O)), np.float32)
    geometry = (H, W, C, *window, OH, OW, *stride, *padding, *dilation)
    buffers = (parts, bias_parts, _window_buffers(depth), packs)
    _weight_gradient_fast(grad.reshape(-1), x.reshape(-1), geometry, O, *buffers)
    return parts.sum(axis=0).reshape(*window, C, O), bias_parts.sum(axis=0)
