"""Softmax on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import exp, nan_maximum


@jit
def plain_forward(x: Array) -> Array:
    N, D = x.shape
    y = np.empty_like(x)
    for n in range(N):
        largest = x[n].max()
        total = 0.0
        for d in range(D):
            total += math.exp(x[n, d] - largest)
        for d in range(D):
            y[n, d] = math.exp(x[n, d] - largest) / total
    return y


@jit
def plain_backward(grad_y: Array, y: Array) -> Array:
    N, D = y.shape
    grad_x = np.empty_like(y)
    for n in range(N):
        inner = 0.0
        for d in range(D):
            inner += grad_y[n, d] * y[n, d]
        for d in range(D):
            grad_x[n, d] = y[n, d] * (grad_y[n, d] - inner)
    return grad_x


# Fast: rows go to all cores, each exponential is taken once, and maximum, exponential and sums are vector loops.


@parallel_jit
def _forward(x, y):
    N, D = x.shape
    one, lowest = x.dtype.type(1), x.dtype.type(-np.inf)
    for n in prange(N):
        largest = lowest
        for d in range(D):
            largest = nan_maximum(largest, x[n, d])
        total = x.dtype.type(0)
        for d in range(D):
            y[n, d] = exp(x[n, d] - largest)
            total += y[n, d]
        scale = one / total
        for d in range(D):
            y[n, d] *= scale


@parallel_jit
def _backward(grad_y, y, grad_x):
    N, D = y.shape
    for n in prange(N):
        inner = y.dtype.type(0)
        for d in range(D):
            inner += grad_y[n, d] * y[n, d]
        for d in range(D):
            grad_x[n, d] = y[n, d] * (grad_y[n, d] - inner)


def _rows(x: Array) -> Array:
    return contiguous(x).reshape(-1, x.shape[-1])


def forward(x: Array) -> Array:
    y = np.empty(x.shape, x.dtype)
    _forward(_rows(x), _rows(y))
    return y


def backward(grad_y: Array, y: Array) -> Array:
    grad_x = np.empty(y.shape, y.dtype)
    _backward(_rows(grad_y), _rows(y), _rows(grad_x))
    return grad_x
