"""Linear layer on the CPU: the loops, then the same sum through the register tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import prange

from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit
from minisd_kernels.register_tile import multiply_add, pack, packed_size

Array = npt.NDArray[Any]


# The plain version: float64 runs it.


@jit
def _matmul_plain(a, b, c):  # type: ignore[no-untyped-def]
    """C += A B."""
    for m in range(a.shape[0]):
        for k in range(a.shape[1]):
            for n in range(b.shape[1]):
                c[m, n] += a[m, k] * b[k, n]


# The fast version, float32: B is packed once into panels as wide as the register tile, and the rows of C are shared
# out to the threads. x^T grad is a sum over all rows: it is made in CHUNKS parts that are added in order.

_BLOCK = 56  # rows at a time, a multiple of every tile height: they and a panel of B stay in the L2 cache


@parallel_jit
def _rows_times_packed(a, packed, depth, columns, c):  # type: ignore[no-untyped-def]
    """C += A B, A (M, depth) and C (M, columns) flat."""
    rows = a.size // depth
    for block in prange((rows + _BLOCK - 1) // _BLOCK):
        first = block * _BLOCK
        count = min(_BLOCK, rows - first)
        multiply_add(a, first * depth, depth, 1, count, packed, depth, columns, c, first * columns, columns)


@parallel_jit
def _sum_of_outer_products(x, grad, width_x, width_grad, parts, packs):  # type: ignore[no-untyped-def]
    """parts[chunk] += x^T grad over the chunk's rows; x (M, width_x) and grad (M, width_grad) flat."""
    rows = x.size // width_x
    blocks = (rows + _BLOCK - 1) // _BLOCK
    for chunk in prange(CHUNKS):
        for block in range(blocks * chunk // CHUNKS, blocks * (chunk + 1) // CHUNKS):
            first = block * _BLOCK
            count = min(_BLOCK, rows - first)
            pack(grad, first * width_grad, width_grad, 1, count, width_grad, packs[chunk])
            multiply_add(
                x, first * width_x, 1, width_x, width_x, packs[chunk], count, width_grad, parts[chunk], 0, width_grad
            )


def rows_times(a: Array, b: Array, c: Array) -> Array:
    """C += A B in place for contiguous float32 A (M, K) and C (M, N); B (K, N) may be a transposed view."""
    depth, columns = b.shape
    packed = np.empty(packed_size(depth, columns), np.float32)
    base = b if b.flags.c_contiguous or b.T.flags.c_contiguous else contiguous(b)
    flat = base.ravel() if base.flags.c_contiguous else base.T.ravel()
    steps = (columns, 1) if base.flags.c_contiguous else (1, depth)
    pack(flat, 0, *steps, depth, columns, packed)
    _rows_times_packed(a.reshape(-1), packed, depth, columns, c.reshape(-1))
    return c


def outer_products(x: Array, grad: Array) -> Array:
    """x^T grad for contiguous float32 x (M, K), grad (M, N)."""
    (_, K), N = x.shape, grad.shape[1]
    parts = np.zeros((CHUNKS, K * N), np.float32)
    packs = np.empty((CHUNKS, packed_size(_BLOCK, N)), np.float32)
    _sum_of_outer_products(x.reshape(-1), grad.reshape(-1), K, N, parts, packs)
    return np.asarray(parts.sum(axis=0)).reshape(K, N)


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    x = contiguous(x)
    y = np.empty((x.shape[0], weight.shape[1]), x.dtype)
    y[:] = 0 if bias is None else bias
    if x.dtype == np.float64:
        _matmul_plain(x, contiguous(weight), y)
        return y
    return rows_times(x, weight, y)


def backward(grad: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    grad, x = contiguous(grad), contiguous(x)
    grad_x, grad_bias = np.zeros_like(x), np.asarray(grad.sum(axis=0))
    if x.dtype == np.float64:
        grad_weight = np.zeros(weight.shape)
        _matmul_plain(grad, contiguous(weight.T), grad_x)
        _matmul_plain(contiguous(x.T), grad, grad_weight)
        return grad_x, grad_weight, grad_bias
    return rows_times(grad, weight.T, grad_x), outer_products(x, grad), grad_bias
