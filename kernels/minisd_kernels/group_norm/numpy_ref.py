"""Group normalisation in NumPy: the equation, with sums in float64."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.silu import numpy_ref as silu_numpy


def forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool) -> tuple[Array, Array, Array]:
    B, N, C = x.shape
    grouped = x.reshape(B, N, groups, C // groups).astype(np.float64)
    mean = grouped.mean(axis=(1, 3), keepdims=True)
    rstd = 1 / np.sqrt(grouped.var(axis=(1, 3), keepdims=True) + eps)
    y = gamma * ((grouped - mean) * rstd).reshape(x.shape) + beta
    if silu:
        y = silu_numpy.forward(y, 1.0)
    return y.astype(x.dtype), mean.reshape(B, groups).astype(x.dtype), rstd.reshape(B, groups).astype(x.dtype)


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    B, N, C = x.shape
    grouped = B, N, groups, C // groups
    mean, rstd = mean.reshape(B, 1, groups, 1), rstd.reshape(B, 1, groups, 1)
    x_hat = (x.reshape(grouped).astype(np.float64) - mean) * rstd
    grad_z = silu_numpy.backward(grad_y, gamma * x_hat.reshape(x.shape) + beta, 1.0) if silu else grad_y
    d = (grad_z * gamma).reshape(grouped)
    grad_x = rstd * (d - d.mean(axis=(1, 3), keepdims=True) - x_hat * (d * x_hat).mean(axis=(1, 3), keepdims=True))
    grad_gamma = (grad_z * x_hat.reshape(x.shape)).sum(axis=(0, 1))
    grad_beta = grad_z.sum(axis=(0, 1), dtype=np.float64)
    return grad_x.reshape(x.shape).astype(x.dtype), grad_gamma.astype(x.dtype), grad_beta.astype(x.dtype)
