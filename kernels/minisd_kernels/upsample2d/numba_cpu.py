"""Nearest-neighbour upsampling on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array, Pair
from minisd_kernels.compiling import contiguous, jit, parallel_jit


@jit
def plain_forward(x: Array, scale: Pair) -> Array:
    B, H, W, C = x.shape
    sh, sw = scale
    y = np.empty((B, H * sh, W * sw, C), x.dtype)
    for b in range(B):
        for p in range(H * sh):
            for q in range(W * sw):
                for c in range(C):
                    y[b, p, q, c] = x[b, p // sh, q // sw, c]
    return y


@jit
def plain_backward(grad_y: Array, scale: Pair) -> Array:
    B, P, Q, C = grad_y.shape
    sh, sw = scale
    grad_x = np.zeros((B, P // sh, Q // sw, C), grad_y.dtype)
    for b in range(B):
        for p in range(P):
            for q in range(Q):
                for c in range(C):
                    grad_x[b, p // sh, q // sw, c] += grad_y[b, p, q, c]
    return grad_x


# Fast: rows go to all cores, and a pixel's channels are copied or added as vectors, without a division per number.


@parallel_jit
def _forward(x, scale, y):
    B, H, W, C = x.shape
    sh, sw = scale
    for row in prange(B * H * sh):
        b, p = row // (H * sh), row % (H * sh)
        source = x[b, p // sh]
        for w in range(W):
            for j in range(sw):
                for c in range(C):
                    y[row, w * sw + j, c] = source[w, c]


@parallel_jit
def _backward(grad_y, scale, grad_x):
    B, P, Q, C = grad_y.shape
    sh, sw = scale
    H, W = P // sh, Q // sw
    zero = grad_y.dtype.type(0)
    for row in prange(B * H):
        for w in range(W):
            for c in range(C):
                grad_x[row, w, c] = zero
        for i in range(sh):
            source = grad_y[row // H, row % H * sh + i]
            for w in range(W):
                for j in range(sw):
                    for c in range(C):
                        grad_x[row, w, c] += source[w * sw + j, c]


def forward(x: Array, scale: Pair) -> Array:
    B, H, W, C = x.shape
    y = np.empty((B * H * scale[0], W * scale[1], C), x.dtype)
    _forward(contiguous(x), scale, y)
    return y.reshape(B, H * scale[0], W * scale[1], C)


def backward(grad_y: Array, scale: Pair) -> Array:
    B, P, Q, C = grad_y.shape
    grad_x = np.empty((B * (P // scale[0]), Q // scale[1], C), grad_y.dtype)
    _backward(contiguous(grad_y), scale, grad_x)
    return grad_x.reshape(B, P // scale[0], Q // scale[1], C)
