"""Layer normalisation in NumPy: the equation, with sums in float64."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    wide = x.astype(np.float64)
    mean = wide.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt(wide.var(axis=1, keepdims=True) + eps)
    y = gamma * (wide - mean) * rstd + beta
    return y.astype(x.dtype), mean[:, 0].astype(x.dtype), rstd[:, 0].astype(x.dtype)


def backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    x_hat = (x.astype(np.float64) - mean[:, None]) * rstd[:, None]
    d = grad_y * gamma
    grad_x = rstd[:, None] * (d - d.mean(axis=1, keepdims=True) - x_hat * (d * x_hat).mean(axis=1, keepdims=True))
    grad_gamma, grad_beta = (grad_y * x_hat).sum(axis=0), grad_y.sum(axis=0, dtype=np.float64)
    return grad_x.astype(x.dtype), grad_gamma.astype(x.dtype), grad_beta.astype(x.dtype)
