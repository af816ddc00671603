"""AdamW in NumPy: the algorithm."""

from __future__ import annotations

import numpy as np

from minisd_kernels.adam import Update
from minisd_kernels.arguments import Array


def step(param: Array, grad: Array, m: Array, v: Array, update: Update) -> None:
    t, lr, beta1, beta2, eps, weight_decay, grad_scale = update
    grad = grad_scale * grad
    m[:] = beta1 * m + (1 - beta1) * grad
    v[:] = beta2 * v + (1 - beta2) * grad * grad
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    param -= lr * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * param)


def squared_length(grad: Array) -> Array:
    return np.square(grad, dtype=np.float64).sum()


def average(mean: Array, param: Array, rate: float) -> None:
    mean += rate * (param - mean)
