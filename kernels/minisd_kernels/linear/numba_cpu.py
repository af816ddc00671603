"""Linear layer on the CPU: the loops, then the same sum through the register tile."""

from __future__ import annotations

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, bias_or_zeros, contiguous, flat, jit, parallel_jit
from minisd_kernels.prefetch import prefetch_rows
from minisd_kernels.register_tile import ONE_TAP, Matrix, add_rows, multiply_add, pack, pack_taps, packed_size

# The plain version: float64 runs it.


@jit
def plain_forward(x: Array, weight: Array, bias: Array | None) -> Array:
    (N, C), O = x.shape, weight.shape[1]
    y = np.zeros((N, O), x.dtype)
    for n in range(N):
        if bias is not None:
            y[n, :] = bias
        for c in range(C):
            for o in range(O):
                y[n, o] += x[n, c] * weight[c, o]
    return y


@jit
def plain_backward(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    (N, C), O = x.shape, weight.shape[1]
    grad_x, grad_weight, grad_bias = np.zeros((N, C), x.dtype), np.zeros((C, O), x.dtype), np.zeros(O, x.dtype)
    for n in range(N):
        for o in range(O):
            grad_bias[o] += grad_y[n, o]
        for c in range(C):
            for o in range(O):
                grad_x[n, c] += grad_y[n, o] * weight[c, o]
                grad_weight[c, o] += grad_y[n, o] * x[n, c]
    return grad_x, grad_weight, grad_bias


# The fast version, float32: B is packed once into panels as wide as the register tile, and the rows of C are shared
# out to the threads. x^T grad_y is a sum over all rows: it is made in CHUNKS parts that are added in order.

_BLOCK = 56  # rows at a time, a multiple of every tile height: they and a panel of B stay in the L2 cache


@parallel_jit
def _rows_times_packed(a, packed, shape, row, c):
    """C = row + A B, of this shape (rows, depth, columns); A and C flat."""
    rows, depth, columns = shape
    for block in prange((rows + _BLOCK - 1) // _BLOCK):
        i, count = block * _BLOCK, min(_BLOCK, rows - block * _BLOCK)
        prefetch_rows(a, (i + count) * depth, depth, min(_BLOCK, rows - i - count), depth)  # the next block's
        left, begin, end = Matrix(a, i * depth, depth, 1), Matrix(row, 0, 0, 1), Matrix(c, i * columns, columns, 1)
        multiply_add(left, ONE_TAP, packed, begin, end, (count, depth, columns))


@parallel_jit
def _sum_of_outer_products(x, grad_y, shape, parts, bias_parts, packs):
    """parts[chunk] += x^T grad_y, bias_parts[chunk] += sum of grad_y, over the chunk's rows; shape = (rows of both,
    columns of x, columns of grad_y)."""
    rows, width_x, width_y = shape
    blocks = (rows + _BLOCK - 1) // _BLOCK
    for chunk in prange(CHUNKS):
        for block in range(blocks * chunk // CHUNKS, blocks * (chunk + 1) // CHUNKS):
            first = block * _BLOCK
            count = min(_BLOCK, rows - first)
            following = min(_BLOCK, rows - first - count)
            prefetch_rows(x, (first + count) * width_x, width_x, following, width_x)
            prefetch_rows(grad_y, (first + count) * width_y, width_y, following, width_y)
            gradients = Matrix(grad_y, first * width_y, width_y, 1)
            add_rows(gradients, (count, width_y), bias_parts[chunk])
            pack(gradients, (count, width_y), packs[chunk], 0, count)
            transposed, part = Matrix(x, first * width_x, 1, width_x), Matrix(parts[chunk], 0, width_y, 1)
            multiply_add(transposed, ONE_TAP, packs[chunk], part, part, (width_x, count, width_y))


def rows_times(a: Array, b: Array, row: Array | None, c: Array) -> Array:
    """C = row + A B in place for contiguous float32 A and C; B may be a transposed view, row is 0 if there is none."""
    depth, columns = b.shape
    packed = np.empty(packed_size(depth, columns), np.float32)
    numbers, steps = flat(b)
    pack_taps(numbers, 0, (0, 0, *steps), (1, 1, *b.shape), packed)
    shape = a.shape[0], depth, columns
    _rows_times_packed(a.reshape(-1), packed, shape, bias_or_zeros(row, columns), c.reshape(-1))
    return c


def weight_and_bias_gradient(x: Array, grad_y: Array) -> tuple[Array, Array]:
    """x^T grad_y and the sum of grad_y's rows, for contiguous float32 x (N, C), grad_y (N, O)."""
    (N, C), O = x.shape, grad_y.shape[1]
    parts, bias_parts = np.zeros((CHUNKS, C * O), np.float32), np.zeros((CHUNKS, O), np.float32)
    packs = np.empty((CHUNKS, packed_size(_BLOCK, O)), np.float32)
    _sum_of_outer_products(x.reshape(-1), grad_y.reshape(-1), (N, C, O), parts, bias_parts, packs)
    return parts.reshape(CHUNKS, C, O).sum(axis=0), bias_parts.sum(axis=0)


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    x = contiguous(x)
    if x.dtype == np.float64:
        return plain_forward(x, contiguous(weight), contiguous(bias))
    return rows_times(x, weight, bias, np.empty((x.shape[0], weight.shape[1]), x.dtype))


def backward(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    grad_y, x = contiguous(grad_y), contiguous(x)
    if x.dtype == np.float64:
        return plain_backward(grad_y, x, contiguous(weight))
    return rows_times(grad_y, weight.T, None, np.empty(x.shape, x.dtype)), *weight_and_bias_gradient(x, grad_y)
