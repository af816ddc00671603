"""Embedding on the CPU."""

from __future__ import annotations

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit


@jit
def plain_forward(table: Array, ids: Array) -> Array:
    D = table.shape[1]
    y = np.empty((ids.size, D), table.dtype)
    for n in range(ids.size):
        for d in range(D):
            y[n, d] = table[ids[n], d]
    return y


@jit
def plain_backward(grad_y: Array, ids: Array, vocabulary: int) -> Array:
    D = grad_y.shape[1]
    grad_table = np.zeros((vocabulary, D), grad_y.dtype)
    for n in range(ids.size):
        for d in range(D):
            grad_table[ids[n], d] += grad_y[n, d]
    return grad_table


# Fast: rows go to all cores. Backward, two rows may share an id, so the cores divide the columns instead: every
# sum is still taken by one core and in the order of n.


@parallel_jit
def _forward(table, ids, y):
    for n in prange(ids.size):
        for d in range(table.shape[1]):
            y[n, d] = table[ids[n], d]


@parallel_jit
def _backward(grad_y, ids, grad_table):
    D = grad_y.shape[1]
    for chunk in prange(CHUNKS):
        start, stop = chunk * D // CHUNKS, (chunk + 1) * D // CHUNKS
        for n in range(ids.size):
            for d in range(start, stop):
                grad_table[ids[n], d] += grad_y[n, d]


def _flat(ids: Array) -> Array:
    return contiguous(ids.astype(np.int64, copy=False)).reshape(-1)


def forward(table: Array, ids: Array) -> Array:
    y = np.empty((ids.size, table.shape[1]), table.dtype)
    _forward(contiguous(table), _flat(ids), y)
    return y.reshape(*ids.shape, table.shape[1])


def backward(grad_y: Array, ids: Array, vocabulary: int) -> Array:
    D = grad_y.shape[-1]
    grad_table = np.zeros((vocabulary, D), grad_y.dtype)
    _backward(contiguous(grad_y).reshape(ids.size, D), _flat(ids), grad_table)
    return grad_table
