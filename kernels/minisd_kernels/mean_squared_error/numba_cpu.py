"""The mean squared error on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit


@jit
def plain_forward(a: Array, b: Array) -> Array:
    total = 0.0
    for i in range(a.size):
        total += (a[i] - b[i]) ** 2
    return total / a.size


@jit
def plain_backward(grad_y: Array, a: Array, b: Array) -> Array:
    grad_a = np.empty_like(a)
    for i in range(a.size):
        grad_a[i] = grad_y * 2 / a.size * (a[i] - b[i])
    return grad_a


# Fast: the same on all cores, the sum in parts. Each is a slice, for an index that starts at 0 is seen not to be
# negative, which would count from the end, and the loop becomes one of vectors.


@parallel_jit
def _squares(a, b, parts):
    for chunk in prange(CHUNKS):
        start, stop = a.size * chunk // CHUNKS, a.size * (chunk + 1) // CHUNKS
        part_a, part_b, total = a[start:stop], b[start:stop], 0.0
        for i in range(part_a.size):
            difference = part_a[i] - part_b[i]
            total += difference * difference
        parts[chunk] = total


@parallel_jit
def _backward(scale, a, b, grad_a):
    for i in prange(a.size):
        grad_a[i] = scale * (a[i] - b[i])


def forward(a: Array, b: Array) -> Array:
    parts = np.empty(CHUNKS)
    _squares(contiguous(a).reshape(-1), contiguous(b).reshape(-1), parts)
    return np.asarray(parts.sum() / a.size, a.dtype)


def backward(grad_y: Array, a: Array, b: Array) -> Array:
    grad_a = np.empty(a.shape, a.dtype)
    scale = a.dtype.type(grad_y * 2 / a.size)
    _backward(scale, contiguous(a).reshape(-1), contiguous(b).reshape(-1), grad_a.reshape(-1))
    return grad_a
