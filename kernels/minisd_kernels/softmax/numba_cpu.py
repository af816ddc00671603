"""Softmax in Numba."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import exp, nan_maximum


@jit
def plain_forward(x: Array) -> Array:
    rows, N = x.shape
    y = np.empty_like(x)
    for row in range(rows):
        largest = x[row].max()
        total = 0.0
        for j in range(N):
            total += math.exp(x[row, j] - largest)
        for j in range(N):
            y[row, j] = math.exp(x[row, j] - largest) / total
    return y


@jit
def plain_backward(grad_y: Array, y: Array) -> Array:
    rows, N = y.shape
    grad_x = np.empty_like(y)
    for row in range(rows):
        inner = 0.0
        for j in range(N):
            inner += grad_y[row, j] * y[row, j]
        for j in range(N):
            grad_x[row, j] = y[row, j] * (grad_y[row, j] - inner)
    return grad_x


# Fast: rows go to all cores, each exponential is taken once, and maximum, exponential and sums are vector loops.


@parallel_jit
def _forward(x, y):
    rows, N = x.shape
    one, lowest = x.dtype.type(1), x.dtype.type(-np.inf)
    for row in prange(rows):
        largest = lowest
        for j in range(N):
            largest = nan_maximum(largest, x[row, j])
        total = x.dtype.type(0)
        for j in range(N):
            y[row, j] = exp(x[row, j] - largest)
            total += y[row, j]
        scale = one / total
        for j in range(N):
            y[row, j] *= scale


@parallel_jit
def _backward(grad_y, y, grad_x):
    rows, N = y.shape
    for row in prange(rows):
        inner = y.dtype.type(0)
        for j in range(N):
            inner += grad_y[row, j] * y[row, j]
        for j in range(N):
            grad_x[row, j] = y[row, j] * (grad_y[row, j] - inner)


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
