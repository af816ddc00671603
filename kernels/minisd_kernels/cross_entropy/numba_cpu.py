"""The cross-entropy on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import exp, nan_maximum


@jit
def _wanted(target, n, v):
    """How much class v is wanted in row n, of class numbers or of probabilities."""
    if target.ndim == 1:
        return 1 if target[n] == v else 0
    return target[n, v]


@jit
def _weight_of(weight, n):
    return 1 if weight is None else weight[n]


@jit
def plain_forward(logits: Array, target: Array, weight: Array | None) -> Array:
    N, V = logits.shape
    loss = 0.0
    for n in range(N):
        largest = logits[n].max()
        total = 0.0
        for v in range(V):
            total += math.exp(logits[n, v] - largest)
        for v in range(V):
            wanted = _weight_of(weight, n) * _wanted(target, n, v)
            if wanted != 0:
                loss -= wanted * (logits[n, v] - largest - math.log(total))
    return loss / N


@jit
def plain_backward(grad_y: Array, logits: Array, target: Array, weight: Array | None) -> Array:
    N, V = logits.shape
    grad_logits = np.empty_like(logits)
    for n in range(N):
        largest = logits[n].max()
        total, total_wanted = 0.0, 0.0
        for v in range(V):
            total += math.exp(logits[n, v] - largest)
            total_wanted += _wanted(target, n, v)
        for v in range(V):
            p = math.exp(logits[n, v] - largest) / total
            grad_logits[n, v] = grad_y * _weight_of(weight, n) / N * (p * total_wanted - _wanted(target, n, v))
    return grad_logits


# Fast: rows go to all cores, and maximum, exponentials and sums are vector loops; backward takes each exponential once.


@jit
def _largest(row):
    largest = row[0]
    for v in range(row.size):
        largest = nan_maximum(largest, row[v])
    return largest


@parallel_jit
def _forward(logits, target, weight, parts):
    N, V = logits.shape
    for chunk in prange(CHUNKS):
        loss = 0.0
        for n in range(N * chunk // CHUNKS, N * (chunk + 1) // CHUNKS):
            largest, total = _largest(logits[n]), logits.dtype.type(0)
            for v in range(V):
                total += exp(logits[n, v] - largest)
            log_total = math.log(total)
            for v in range(V):
                wanted = weight[n] * _wanted(target, n, v)
                if wanted != 0:
                    loss -= wanted * (logits[n, v] - largest - log_total)
        parts[chunk] = loss


@parallel_jit
def _backward(scale, logits, target, weight, grad_logits):
    N, V = logits.shape
    for n in prange(N):
        largest, total, total_wanted = _largest(logits[n]), logits.dtype.type(0), logits.dtype.type(0)
        for v in range(V):
            grad_logits[n, v] = exp(logits[n, v] - largest)
            total += grad_logits[n, v]
            total_wanted += _wanted(target, n, v)
        share = scale * weight[n]
        for v in range(V):
            grad_logits[n, v] = share * (grad_logits[n, v] * (total_wanted / total) - _wanted(target, n, v))


def forward(logits: Array, target: Array, weight: Array | None) -> Array:
    parts = np.empty(CHUNKS)
    _forward(*_contiguous(logits, target, weight), parts)
    return np.asarray(parts.sum() / len(logits), logits.dtype)


def backward(grad_y: Array, logits: Array, target: Array, weight: Array | None) -> Array:
    grad_logits = np.empty(logits.shape, logits.dtype)
    _backward(logits.dtype.type(grad_y / len(logits)), *_contiguous(logits, target, weight), grad_logits)
    return grad_logits


def _contiguous(logits: Array, target: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    if target.ndim == 1:
        target = target.astype(np.int64, copy=False)
    weight = np.ones(len(logits), logits.dtype) if weight is None else weight
    return contiguous(logits), contiguous(target), contiguous(weight)
