"""The cross-entropy in Numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import exp, nan_maximum


@jit
def _wanted(target: Any, n: int, v: int) -> Any:
    """How much class v is wanted in row n, of class numbers or of probabilities."""
    if target.ndim == 1:
        return 1 if target[n] == v else 0
    return target[n, v]


@jit
def plain_forward(logits: Any, target: Any, weight: Any) -> float:
    N, V = logits.shape
    loss = 0.0
    for n in range(N):
        largest = logits[n].max()
        total = 0.0
        for v in range(V):
            total += math.exp(logits[n, v] - largest)
        for v in range(V):
            wanted = weight[n] * _wanted(target, n, v)
            if wanted != 0:
                loss -= wanted * (logits[n, v] - largest - math.log(total))
    return loss / N


@jit
def plain_backward(grad: float, logits: Any, target: Any, weight: Any) -> Any:
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
            grad_logits[n, v] = grad * weight[n] / N * (p * total_wanted - _wanted(target, n, v))
    return grad_logits


# Fast: rows go to all cores, and maximum, exponentials and sums are vector loops; backward takes each exponential once.


@jit
def _largest(row: Any) -> Any:
    largest = row[0]
    for v in range(row.size):
        largest = nan_maximum(largest, row[v])
    return largest


@parallel_jit
def _forward(logits: Any, target: Any, weight: Any, parts: Any) -> None:
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
def _backward(scale: Any, logits: Any, target: Any, weight: Any, grad_logits: Any) -> None:
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


def forward(logits: Any, target: Any, weight: Any | None) -> Any:
    parts = np.empty(CHUNKS)
    _forward(*_contiguous(logits, target, weight), parts)
    return np.asarray(parts.sum() / len(logits), logits.dtype)


def backward(grad: Any, logits: Any, target: Any, weight: Any | None) -> Any:
    grad_logits = np.empty(logits.shape, logits.dtype)
    _backward(logits.dtype.type(grad / len(logits)), *_contiguous(logits, target, weight), grad_logits)
    return grad_logits


def _contiguous(logits: Any, target: Any, weight: Any | None) -> tuple[Any, Any, Any]:
    if target.ndim == 1:
        target = target.astype(np.int64, copy=False)
    weight = np.ones(len(logits), logits.dtype) if weight is None else weight
    return contiguous(logits), contiguous(target), contiguous(weight)
