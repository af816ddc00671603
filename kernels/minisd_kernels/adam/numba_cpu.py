"""AdamW in Numba.

`size` is lr / (1 - beta1^step), `scale` 1 / sqrt(1 - beta2^step), `decay` lr weight_decay.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit


@jit
def plain_step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    size: float,
    scale: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    grad_scale: float,
) -> None:
    for i in range(param.size):
        g = grad_scale * grad[i]
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g**2
        param[i] -= size * m[i] / (math.sqrt(v[i]) * scale + eps) + decay * param[i]


# Fast: all cores, and every factor in the buffers' own type, since a float64 factor would halve the vector width.
# One pass over one flat buffer moves 7 numbers per parameter; memory is the limit.


@parallel_jit
def _step(param: Any, grad: Any, m: Any, v: Any, factors: Any) -> None:
    size, scale, beta1, rest1, beta2, rest2, eps, decay, grad_scale = factors
    for i in prange(param.size):
        g = grad_scale * grad[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        param[i] -= size * m[i] / (math.sqrt(v[i]) * scale + eps) + decay * param[i]


@parallel_jit
def _squared_lengths(grad: Any, parts: Any) -> None:
    for chunk in prange(CHUNKS):
        for start in range(grad.size * chunk // CHUNKS, grad.size * (chunk + 1) // CHUNKS, _RUN):
            run = grad[start : min(start + _RUN, grad.size * (chunk + 1) // CHUNKS)]
            total = grad.dtype.type(0)
            for i in range(run.size):
                total += run[i] * run[i]
            parts[chunk] += total


@parallel_jit
def _average(mean: Any, param: Any, rate: Any) -> None:
    for i in prange(mean.size):
        mean[i] += rate * (param[i] - mean[i])


_RUN = 256  # numbers whose squares are summed in their own type; the sums of runs are float64


def step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    size: float,
    scale: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    grad_scale: float,
) -> None:
    numbers = (size, scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, decay, grad_scale)
    _step(param, grad, m, v, tuple(param.dtype.type(number) for number in numbers))


def squared_length(grad: Any) -> Any:
    parts = np.zeros(CHUNKS)
    _squared_lengths(contiguous(grad), parts)
    return parts.sum()


def average(mean: Any, param: Any, rate: float) -> None:
    _average(mean, contiguous(param), mean.dtype.type(rate))
