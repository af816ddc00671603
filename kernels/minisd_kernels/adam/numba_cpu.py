"""AdamW on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.adam import Update
from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit


@jit
def plain_step(param: Array, grad: Array, m: Array, v: Array, update: Update) -> None:
    t, lr, beta1, beta2, eps, weight_decay, grad_scale = update
    for i in range(param.size):
        g = grad_scale * grad[i]
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g**2
        m_hat, v_hat = m[i] / (1 - beta1**t), v[i] / (1 - beta2**t)
        param[i] -= lr * (m_hat / (math.sqrt(v_hat) + eps) + weight_decay * param[i])


@jit
def plain_squared_length(grad: Array) -> Array:
    total = 0.0
    for i in range(grad.size):
        total += grad[i] ** 2
    return total


@jit
def plain_average(mean: Array, param: Array, rate: float) -> None:
    for i in range(mean.size):
        mean[i] += rate * (param[i] - mean[i])


# Fast: all cores, and every factor in the buffers' own type, since a float64 factor would halve the vector width.
# One pass over one flat buffer moves 7 numbers per parameter; memory is the limit.


@parallel_jit
def _step(param, grad, m, v, factors):
    size, scale, beta1, rest1, beta2, rest2, eps, decay, grad_scale = factors
    for i in prange(param.size):
        g = grad_scale * grad[i]
        m[i] = beta1 * m[i] + rest1 * g
        v[i] = beta2 * v[i] + rest2 * g * g
        param[i] -= size * m[i] / (math.sqrt(v[i]) * scale + eps) + decay * param[i]


@parallel_jit
def _squared_lengths(grad, parts):
    for chunk in prange(CHUNKS):
        for start in range(grad.size * chunk // CHUNKS, grad.size * (chunk + 1) // CHUNKS, _RUN):
            run = grad[start : min(start + _RUN, grad.size * (chunk + 1) // CHUNKS)]
            total = grad.dtype.type(0)
            for i in range(run.size):
                total += run[i] * run[i]
            parts[chunk] += total


@parallel_jit
def _average(mean, param, rate):
    for i in prange(mean.size):
        mean[i] += rate * (param[i] - mean[i])


_RUN = 256  # numbers whose squares are summed in their own type; the sums of runs are float64


def step(param: Array, grad: Array, m: Array, v: Array, update: Update) -> None:
    _step(param, contiguous(grad), m, v, tuple(param.dtype.type(factor) for factor in update.factors()))


def squared_length(grad: Array) -> Array:
    parts = np.zeros(CHUNKS)
    _squared_lengths(contiguous(grad), parts)
    return parts.sum()


def average(mean: Array, param: Array, rate: float) -> None:
    _average(mean, contiguous(param), mean.dtype.type(rate))
