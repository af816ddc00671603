"""Max pooling on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array, Pair
from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.max_pool2d import Shape, place_type
from minisd_kernels.vectors import LANES, broadcast, load_bytes, load_some, store_bytes, store_some, where


@jit
def plain_forward(x: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    (kh, kw), (sh, sw), (ph, pw) = window, stride, padding
    B, H, W, C = x.shape
    y = np.full((B, size[0], size[1], C), -np.inf, x.dtype)
    argmax = np.full(y.shape, -1, np.int64)  # none: the first in the picture is the maximum so far, even -inf
    for b, p, q, c in np.ndindex(y.shape):
        for i in range(kh):
            for j in range(kw):
                h, w = p * sh - ph + i, q * sw - pw + j
                if 0 <= h < H and 0 <= w < W:
                    new, best = x[b, h, w, c], y[b, p, q, c]
                    if (
                        argmax[b, p, q, c] < 0 or new > best or (new != new and best == best)
                    ):  # the first NaN is the maximum, as in NumPy
                        y[b, p, q, c] = new
                        argmax[b, p, q, c] = i * kw + j
    return y, argmax


@jit
def plain_backward(grad_y: Array, argmax: Array, x_shape: Shape, window: Pair, stride: Pair, padding: Pair) -> Array:
    _, H, W, _ = x_shape
    grad_x = np.zeros(x_shape, grad_y.dtype)
    for b, p, q, c in np.ndindex(grad_y.shape):
        i, j = divmod(argmax[b, p, q, c], window[1])
        h, w = p * stride[0] - padding[0] + i, q * stride[1] - padding[1] + j
        if 0 <= h < H and 0 <= w < W:
            grad_x[b, h, w, c] += grad_y[b, p, q, c]
    return grad_x


class Windows(NamedTuple):
    """Pictures (B, H, W, C) and the windows that are laid over them, P x Q in each; flat, as threads want it."""

    B: int
    H: int
    W: int
    C: int
    kh: int
    kw: int
    stride_h: int
    stride_w: int
    top: int
    left: int
    P: int
    Q: int


# Fast, for float32: rows go to all cores, and a vector is LANES channels of a pixel. Forward, the largest so far and
# its place stay in registers while the window is read.


@jit
def _forward_row(row, x, windows, y, argmax):
    _, H, W, C, kh, kw, stride_h, stride_w, top, left, P, Q = windows
    b, first_h = row // P, row % P * stride_h - top
    first_i, end_i = max(0, -first_h), min(kh, H - first_h)
    for q in range(Q):
        first_w = q * stride_w - left
        first_j, end_j = max(0, -first_w), min(kw, W - first_w)
        for c in range(0, C, LANES):
            best, place = broadcast(np.float32(-np.inf)), broadcast(np.float32(first_i * kw + first_j))
            for i in range(first_i, end_i):
                for j in range(first_j, end_j):
                    new = load_some(x, ((b * H + first_h + i) * W + first_w + j) * C + c, C - c)
                    kept = (best >= new) | (best != best)  # so that NaN replaces, and stays
                    best, place = where(kept, best, new), where(kept, place, np.float32(i * kw + j))
            store_some(y, (row * Q + q) * C + c, best, C - c)
            store_bytes(argmax, (row * Q + q) * C + c, place, C - c)


@parallel_jit
def _forward(x, windows, y, argmax):
    for row in prange(windows.B * windows.P):
        _forward_row(row, x, windows, y, argmax)


# Backward, a core owns a row of grad_x and writes each of its pixels once. Where windows share no pixel, a window's row
# of taps is written with the gradient or with zeros. Else a pixel collects from all windows over it, always in the same
# order.


@jit
def _apart_row(row, grad_y, argmax, windows, grad_x):
    _, H, W, C, kh, kw, _, _, _, _, P, Q = windows
    b, h = row // H, row % H
    p, i = h // kh, h % kh
    there = Q if p < P else 0  # the last rows and columns may be too few for a window
    for q in range(there):
        for c in range(0, C, LANES):
            start = ((b * P + p) * Q + q) * C + c
            place, gradient = load_bytes(argmax, start, C - c), load_some(grad_y, start, C - c)
            for j in range(kw):
                here = where(place == np.float32(i * kw + j), gradient, np.float32(0))
                store_some(grad_x, (row * W + q * kw + j) * C + c, here, C - c)
    for k in range((row * W + there * kw) * C, (row + 1) * W * C):
        grad_x[k] = 0


@jit
def _shared_row(row, grad_y, argmax, windows, grad_x):
    _, H, W, C, kh, kw, stride_h, stride_w, top, left, P, Q = windows
    b, h = row // H, row % H
    first_p, end_p = max(0, (h + top - kh + stride_h) // stride_h), min(P, (h + top) // stride_h + 1)
    for w in range(W):
        first_q, end_q = max(0, (w + left - kw + stride_w) // stride_w), min(Q, (w + left) // stride_w + 1)
        for c in range(0, C, LANES):
            total = broadcast(np.float32(0))
            for p in range(first_p, end_p):
                for q in range(first_q, end_q):
                    start = ((b * P + p) * Q + q) * C + c
                    tap = np.float32((h + top - p * stride_h) * kw + w + left - q * stride_w)
                    here = load_bytes(argmax, start, C - c) == tap
                    total = total + where(here, load_some(grad_y, start, C - c), np.float32(0))
            store_some(grad_x, (row * W + w) * C + c, total, C - c)


@parallel_jit
def _backward(grad_y, argmax, windows, apart, grad_x):
    for row in prange(windows.B * windows.H):
        if apart:
            _apart_row(row, grad_y, argmax, windows, grad_x)
        else:
            _shared_row(row, grad_y, argmax, windows, grad_x)


def _windows(x_shape: Shape, window: Pair, stride: Pair, padding: Pair, size: Pair) -> Windows:
    return Windows._make((*x_shape, *window, *stride, *padding, *size))


def forward(x: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    place = place_type(window)
    if x.dtype != np.float32 or place != np.uint8:
        y, argmax = plain_forward(contiguous(x), size, window, stride, padding)
        return y, argmax.astype(place)
    B, _, _, C = x.shape
    y, argmax = np.empty((B, *size, C), x.dtype), np.empty((B, *size, C), place)
    windows = _windows(x.shape, window, stride, padding, size)
    _forward(contiguous(x).reshape(-1), windows, y.reshape(-1), argmax.reshape(-1))
    return y, argmax


def backward(grad_y: Array, argmax: Array, x_shape: Shape, window: Pair, stride: Pair, padding: Pair) -> Array:
    arrays = contiguous(grad_y), contiguous(argmax)
    if grad_y.dtype != np.float32 or argmax.dtype != np.uint8:
        return plain_backward(*arrays, x_shape, window, stride, padding)
    grad_x = np.empty(x_shape, grad_y.dtype)
    windows = _windows(x_shape, window, stride, padding, grad_y.shape[1:3])
    apart = stride == window and padding == (0, 0)
    _backward(*(array.reshape(-1) for array in arrays), windows, apart, grad_x.reshape(-1))
    return grad_x
