"""Max pooling in Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from minisd_kernels.arguments import Pair
from minisd_kernels.compiling import contiguous, jit, parallel_jit


@jit
def plain_forward(x: Any, window: Pair, stride: Pair, padding: Pair, out: Pair) -> tuple[Any, Any]:
    (kh, kw), (sh, sw), (ph, pw) = window, stride, padding
    B, H, W, C = x.shape
    y = np.full((B, out[0], out[1], C), -np.inf, x.dtype)
    argmax = np.zeros(y.shape, np.int32)
    for b, p, q, c in np.ndindex(y.shape):
        for i in range(kh):
            for j in range(kw):
                h, w = p * sh - ph + i, q * sw - pw + j
                if 0 <= h < H and 0 <= w < W and x[b, h, w, c] > y[b, p, q, c]:
                    y[b, p, q, c] = x[b, h, w, c]
                    argmax[b, p, q, c] = i * kw + j
    return y, argmax


@jit
def plain_backward(
    grad_y: Any, argmax: Any, x_shape: tuple[int, int, int, int], window: Pair, stride: Pair, padding: Pair
) -> Any:
    _, H, W, _ = x_shape
    grad_x = np.zeros(x_shape, grad_y.dtype)
    for b, p, q, c in np.ndindex(grad_y.shape):
        i, j = divmod(argmax[b, p, q, c], window[1])
        h, w = p * stride[0] - padding[0] + i, q * stride[1] - padding[1] + j
        if 0 <= h < H and 0 <= w < W:
            grad_x[b, h, w, c] += grad_y[b, p, q, c]
    return grad_x


# Fast: rows go to all cores. Channels are the innermost loop, every branch is a selection and every load comes before
# the stores, so the compiler compares a whole vector of channels at once. The first NaN is the maximum, as in NumPy.


@parallel_jit
def _forward(x: Any, window: Pair, stride: Pair, padding: Pair, y: Any, argmax: Any) -> None:
    (kh, kw), (sh, sw), (ph, pw) = window, stride, padding
    _, H, W, C = x.shape
    B, P, Q, _ = y.shape
    lowest = x.dtype.type(-np.inf)
    for row in prange(B * P):
        b, p = row // P, row % P
        top = p * sh - ph
        for q in range(Q):
            left = q * sw - pw
            best, place = y[b, p, q], argmax[b, p, q]
            for c in range(C):
                best[c] = lowest
                place[c] = 0
            for i in range(max(0, -top), min(kh, H - top)):
                for j in range(max(0, -left), min(kw, W - left)):
                    pixel = x[b, top + i, left + j]
                    tap = np.int32(i * kw + j)
                    for c in range(C):
                        new, old, old_place = pixel[c], best[c], place[c]
                        larger = (new > old) | ((new != new) & (old == old))
                        best[c] = new if larger else old
                        place[c] = tap if larger else old_place


# Backward, two windows may share a pixel: each row of grad_x is owned by one core, which collects from all windows
# over that row, always in the same order.


@parallel_jit
def _backward(grad_y: Any, argmax: Any, window: Pair, stride: Pair, padding: Pair, grad_x: Any) -> None:
    (kh, kw), (sh, sw), (ph, pw) = window, stride, padding
    B, H, W, C = grad_x.shape
    _, P, Q, _ = grad_y.shape
    zero = grad_y.dtype.type(0)
    for row in prange(B * H):
        b, h = row // H, row % H
        for p in range(max(0, (h + ph - kh + sh) // sh), min(P, (h + ph) // sh + 1)):
            i = h + ph - p * sh
            for q in range(Q):
                left = q * sw - pw
                gradient, place = grad_y[b, p, q], argmax[b, p, q]
                for j in range(max(0, -left), min(kw, W - left)):
                    pixel = grad_x[b, h, left + j]
                    tap = np.int32(i * kw + j)
                    for c in range(C):
                        pixel[c] += gradient[c] if place[c] == tap else zero


def forward(x: Any, window: Pair, stride: Pair, padding: Pair, out: Pair) -> tuple[Any, Any]:
    B, _, _, C = x.shape
    y, argmax = np.empty((B, *out, C), x.dtype), np.empty((B, *out, C), np.int32)
    _forward(contiguous(x), window, stride, padding, y, argmax)
    return y, argmax


def backward(
    grad_y: Any, argmax: Any, x_shape: tuple[int, int, int, int], window: Pair, stride: Pair, padding: Pair
) -> Any:
    grad_x = np.zeros(x_shape, grad_y.dtype)
    arrays = contiguous(grad_y), contiguous(argmax)
    _backward(*arrays, window, stride, padding, grad_x)
    return grad_x
