"""Layer normalisation in Numba; x is (rows, D)."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit


@jit
def plain_forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    rows, D = x.shape
    y, mean, rstd = np.empty_like(x), np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    for row in range(rows):
        total = squares = 0.0
        for j in range(D):
            total += x[row, j]
        mu = total / D
        for j in range(D):
            squares += (x[row, j] - mu) ** 2
        mean[row] = mu
        rstd[row] = 1 / math.sqrt(squares / D + eps)
        for j in range(D):
            y[row, j] = gamma[j] * (x[row, j] - mu) * rstd[row] + beta[j]
    return y, mean, rstd


@jit
def plain_backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    rows, D = x.shape
    grad_x, grad_gamma, grad_beta = np.empty_like(x), np.zeros(D), np.zeros(D)
    for row in range(rows):
        d_sum = d_x_hat_sum = 0.0
        for j in range(D):
            x_hat = (x[row, j] - mean[row]) * rstd[row]
            d_sum += grad_y[row, j] * gamma[j]
            d_x_hat_sum += grad_y[row, j] * gamma[j] * x_hat
            grad_gamma[j] += grad_y[row, j] * x_hat
            grad_beta[j] += grad_y[row, j]
        for j in range(D):
            x_hat = (x[row, j] - mean[row]) * rstd[row]
            grad_x[row, j] = rstd[row] * (grad_y[row, j] * gamma[j] - (d_sum + x_hat * d_x_hat_sum) / D)
    return grad_x, grad_gamma.astype(x.dtype), grad_beta.astype(x.dtype)


# Fast: rows go to all cores, and each loop over a row is made of vectors: the element-wise ones stay in x's own type.
# Backward, CHUNKS runs of rows sum grad_gamma and grad_beta apart, and these parts are added in order.


@parallel_jit
def _forward(x, gamma, beta, eps, y, mean, rstd):
    rows, D = x.shape
    for row in prange(rows):
        total = squares = 0.0
        for j in range(D):
            total += x[row, j]
        mean[row] = total / D
        for j in range(D):
            difference = x[row, j] - mean[row]
            squares += difference * difference
        rstd[row] = 1 / math.sqrt(squares / D + eps)
        for j in range(D):
            y[row, j] = (x[row, j] - mean[row]) * rstd[row] * gamma[j] + beta[j]


@parallel_jit
def _backward(grad_y, x, gamma, mean, rstd, parts, grad_x):
    rows, D = x.shape
    for chunk in prange(CHUNKS):
        grad_gamma, grad_beta = parts[0, chunk], parts[1, chunk]
        for row in range(chunk * rows // CHUNKS, (chunk + 1) * rows // CHUNKS):
            mu, r = mean[row], rstd[row]
            d_sum = d_x_hat_sum = 0.0
            for j in range(D):
                d = grad_y[row, j] * gamma[j]
                d_sum += d
                d_x_hat_sum += d * (x[row, j] - mu) * r
            d_mean, d_x_hat_mean = x.dtype.type(d_sum / D), x.dtype.type(d_x_hat_sum / D)
            for j in range(D):
                x_hat = (x[row, j] - mu) * r
                grad_x[row, j] = r * (grad_y[row, j] * gamma[j] - d_mean - x_hat * d_x_hat_mean)
                grad_gamma[j] += grad_y[row, j] * x_hat
                grad_beta[j] += grad_y[row, j]


def forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    rows = x.shape[0]
    y, mean, rstd = np.empty(x.shape, x.dtype), np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    _forward(*map(contiguous, (x, gamma, beta)), eps, y, mean, rstd)
    return y, mean, rstd


def backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    parts = np.zeros((2, CHUNKS, x.shape[1]))
    grad_x = np.empty(x.shape, x.dtype)
    _backward(*map(contiguous, (grad_y, x, gamma, mean, rstd)), parts, grad_x)
    grad_gamma, grad_beta = parts.sum(axis=1).astype(x.dtype)
    return grad_x, grad_gamma, grad_beta
