"""Linear layer on the CPU: the loops, then the same sum through the register tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import prange

from minisd_kernels.compiling import CHUNKS, bias_or_zeros, contiguous, flat, jit, parallel_jit
from minisd_kernels.prefetch import prefetch_rows
from minisd_kernels.register_tile import ONE_TAP, add_rows, multiply_add, pack, packed_size

Array = npt.NDArray[Any]


# The plain version: float64 runs it.


@jit
def _matmul_plain(a, b, c):
    """C += A B."""
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            for n in range(b.shape[1]):
                c[m, n] += a[m, k] * b[k, n]


# The fast version, float32: B is packed once into panels as wide as the register tile, and the rows of C are shared
# out to the threads. x^T grad is a sum over all rows: it is made in CHUNKS parts that are added in order.

_BLOCK = 56  # rows at a time, a multiple of every tile height: they and a panel of B stay in the L2 cache


@parallel_jit
def _rows_times_packed(a, packed, depth, columns, row, taps, c):
    """C = row + A B, A (M, depth) and C (M, columns) flat."""
    rows = a.size // depth
    for block in prange((rows + _BLOCK - 1) // _BLOCK):
        i, count = block * _BLOCK, min(_BLOCK, rows - block * _BLOCK)
        prefetch_rows(a, (i + count) * depth, depth, min(_BLOCK, rows - i - count), depth)  # the next block's
        multiply_add(a, i * depth, depth, taps, 1, depth, count, packed, columns, row, 0, 0, c, i * columns, columns)


@parallel_jit
def _sum_of_outer_products(x, grad, width_x, width_grad, taps, parts, bias_parts, packs):
    """parts[chunk] += x^T grad, bias_parts[chunk] += sum of grad, over the chunk's rows; x and grad flat."""
    rows = x.size // width_x
    blocks = (rows + _BLOCK - 1) // _BLOCK
    for chunk in prange(CHUNKS):
        for block in range(blocks * chunk // CHUNKS, blocks * (chunk + 1) // CHUNKS):
            first = block * _BLOCK
            count = min(_BLOCK, rows - first)
            following = min(_BLOCK, rows - first - count)
            prefetch_rows(x, (first + count) * width_x, width_x, following, width_x)
            prefetch_rows(grad, (first + count) * width_grad, width_grad, following, width_grad)
            add_rows(grad, first * width_grad, count, width_grad, width_grad, bias_parts[chunk])
            pack(grad, first * width_grad, width_grad, 1, count, width_grad, packs[chunk], 0, count)
            start, part = first * width_x, parts[chunk]
            multiply_add(
                *(x, start, 1, taps, width_x, count, width_x),
                *(packs[chunk], width_grad, part, 0, width_grad, part, 0, width_grad),
            )


def rows_times(a: Array, b: Array, row: Array | None, c: Array) -> Array:
    """C = row + A B in place for contiguous float32 A (M, K), C (M, N); B (K, N) may be a transposed view, row is 0
    if there is none."""
    depth, columns = b.shape
    packed = np.empty(packed_size(depth, columns), np.float32)
    numbers, steps = flat(b)
    pack(numbers, 0, *steps, depth, columns, packed, 0, depth)
    start = bias_or_zeros(row, columns)
    _rows_times_packed(a.reshape(-1), packed, depth, columns, start, ONE_TAP, c.reshape(-1))
    return c


def weight_and_bias_gradient(x: Array, grad: Array) -> tuple[Array, Array]:
    """x^T grad and the sum of grad's rows, for contiguous float32 x (M, K), grad (M, N)."""
    (_, K), N = x.shape, grad.shape[1]
    parts, bias_parts = np.zeros((CHUNKS, K * N), np.float32), np.zeros((CHUNKS, N), np.float32)
    packs = np.empty((CHUNKS, packed_size(_BLOCK, N)), np.float32)
    _sum_of_outer_products(x.reshape(-1), grad.reshape(-1), K, N, ONE_TAP, parts, bias_parts, packs)
    return parts.sum(axis=0).reshape(K, N), bias_parts.sum(axis=0)


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    x = contiguous(x)
    y = np.empty((x.shape[0], weight.shape[1]), x.dtype)
    if x.dtype == np.float32:
        return rows_times(x, weight, bias, y)
    y[:] = 0 if bias is None else bias
    _matmul_plain(x, contiguous(weight), y)
    return y


def backward(grad: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    grad, x = contiguous(grad), contiguous(x)
    if x.dtype == np.float64:
        grad_x, grad_weight = np.zeros(x.shape), np.zeros(weight.shape)
        _matmul_plain(grad, contiguous(weight.T), grad_x)
        _matmul_plain(contiguous(x.T), grad, grad_weight)
        return grad_x, grad_weight, grad.sum(axis=0)
    return rows_times(grad, weight.T, None, np.empty(x.shape, x.dtype)), *weight_and_bias_gradient(x, grad)
