"""ReLU on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import contiguous, jit, parallel_jit


@jit
def plain_forward(x: Array) -> Array:
    y = np.empty_like(x)
    for i in range(x.size):
        y[i] = 0 if x[i] <= 0 else x[i]  # NaN is not <= 0 and passes
    return y


@jit
def plain_backward(grad_y: Array, y: Array) -> Array:
    grad_x = np.empty_like(y)
    for i in range(y.size):
        grad_x[i] = grad_y[i] if y[i] > 0 else 0
    return grad_x


# Fast: the same on all cores, for memory's speed is the limit. A zero of x's own type keeps float32 from being widened,
# so that whole vectors are compared and selected.


@parallel_jit
def _forward(x, y):
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if x[i] <= zero else x[i]


@parallel_jit
def _backward(grad_y, y, grad_x):
    zero = y.dtype.type(0)
    for i in prange(y.size):
        grad_x[i] = grad_y[i] if y[i] > zero else zero


def forward(x: Array) -> Array:
    y = np.empty(x.shape, x.dtype)
    _forward(contiguous(x).reshape(-1), y.reshape(-1))
    return y


def backward(grad_y: Array, y: Array) -> Array:
    grad_x = np.empty(y.shape, y.dtype)
    _backward(contiguous(grad_y).reshape(-1), contiguous(y).reshape(-1), grad_x.reshape(-1))
    return grad_x
