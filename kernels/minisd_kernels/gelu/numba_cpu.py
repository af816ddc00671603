"""GELU on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import sigmoid
from minisd_kernels.fast_normal import normal

_SLOPE = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715


@jit
def plain_forward(x: Array, exact: bool) -> Array:
    y = np.empty_like(x)
    for i in range(x.size):
        if exact:
            y[i] = x[i] / 2 * (1 + math.erf(x[i] / math.sqrt(2)))
        else:
            u = math.sqrt(2 / math.pi) * (x[i] + _CUBIC * x[i] ** 3)
            y[i] = x[i] / 2 * (1 + math.tanh(u))
    return y


@jit
def plain_backward(grad_y: Array, x: Array, exact: bool) -> Array:
    grad_x = np.empty_like(x)
    for i in range(x.size):
        if exact:
            Phi = (1 + math.erf(x[i] / math.sqrt(2))) / 2
            phi = math.exp(-x[i] * x[i] / 2) / math.sqrt(2 * math.pi)
            grad_x[i] = grad_y[i] * (Phi + x[i] * phi)
        else:
            s = 1 / (1 + math.exp(-_SLOPE * (x[i] + _CUBIC * x[i] ** 3)))
            grad_x[i] = grad_y[i] * (s + x[i] * s * (1 - s) * _SLOPE * (1 + 3 * _CUBIC * x[i] ** 2))
    return grad_x


# Fast: the same sums on all cores, tanh written as a sigmoid, with an exponential that the compiler can vectorise; and
# Phi as a polynomial that it can vectorise, too.


@parallel_jit
def _tanh_forward(x, y):
    slope, cubic = x.dtype.type(_SLOPE), x.dtype.type(_CUBIC)
    for i in prange(x.size):
        y[i] = x[i] * sigmoid(slope * (x[i] + cubic * x[i] * x[i] * x[i]))


@parallel_jit
def _tanh_backward(grad_y, x, grad_x):
    one, slope, cubic = x.dtype.type(1), x.dtype.type(_SLOPE), x.dtype.type(_CUBIC)
    cubic_slope = x.dtype.type(3 * _CUBIC)
    for i in prange(x.size):
        s = sigmoid(slope * (x[i] + cubic * x[i] * x[i] * x[i]))
        grad_x[i] = grad_y[i] * (s + x[i] * s * (one - s) * slope * (one + cubic_slope * x[i] * x[i]))


@parallel_jit
def _exact_forward(x, y):
    for i in prange(x.size):
        Phi, _ = normal(x[i])
        y[i] = x[i] * Phi


@parallel_jit
def _exact_backward(grad_y, x, grad_x):
    for i in prange(x.size):
        Phi, phi = normal(x[i])
        grad_x[i] = grad_y[i] * (Phi + x[i] * phi)


def forward(x: Array, exact: bool) -> Array:
    y = np.empty(x.shape, x.dtype)
    run = _exact_forward if exact else _tanh_forward
    run(contiguous(x).reshape(-1), y.reshape(-1))
    return y


def backward(grad_y: Array, x: Array, exact: bool) -> Array:
    grad_x = np.empty(x.shape, x.dtype)
    run = _exact_backward if exact else _tanh_backward
    run(contiguous(grad_y).reshape(-1), contiguous(x).reshape(-1), grad_x.reshape(-1))
    return grad_x
