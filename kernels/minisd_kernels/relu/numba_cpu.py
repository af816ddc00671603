"""ReLU in Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from minisd_kernels.compiling import contiguous, jit, parallel_jit


@jit
def plain_forward(x: Any) -> Any:
    y = np.empty_like(x)
    for i in range(x.size):
        y[i] = 0 if x[i] <= 0 else x[i]  # NaN is not <= 0 and passes
    return y


@jit
def plain_backward(grad_y: Any, y: Any) -> Any:
    grad_x = np.empty_like(y)
    for i in range(y.size):
        grad_x[i] = grad_y[i] if y[i] > 0 else 0
    return grad_x


# Fast: the same on all cores. A zero of x's own type keeps float32 from being widened, so that the compiler compares
# and selects whole vectors.


@parallel_jit
def _forward(x: Any) -> Any:
    y = np.empty_like(x)
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if x[i] <= zero else x[i]
    return y


@parallel_jit
def _backward(grad_y: Any, y: Any) -> Any:
    grad_x = np.empty_like(y)
    zero = y.dtype.type(0)
    for i in prange(y.size):
        grad_x[i] = grad_y[i] if y[i] > zero else zero
    return grad_x


def forward(x: Any) -> Any:
    return _forward(contiguous(x).reshape(-1)).reshape(x.shape)


def backward(grad_y: Any, y: Any) -> Any:
    flat = contiguous(grad_y).reshape(-1), contiguous(y).reshape(-1)
    return _backward(*flat).reshape(y.shape)
