"""Layer normalisation on the CPU; x is (N, D)."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import CHUNKS, contiguous, jit, parallel_jit


@jit
def plain_forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    N, D = x.shape
    y, mean, rstd = np.empty_like(x), np.empty(N, x.dtype), np.empty(N, x.dtype)
    for n in range(N):
        total = squares = 0.0
        for j in range(D):
            total += x[n, j]
        mu = total / D
        for j in range(D):
            squares += (x[n, j] - mu) ** 2
        mean[n] = mu
        rstd[n] = 1 / math.sqrt(squares / D + eps)
        for j in range(D):
            y[n, j] = gamma[j] * (x[n, j] - mu) * rstd[n] + beta[j]
    return y, mean, rstd


@jit
def plain_backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    N, D = x.shape
    grad_x, grad_gamma, grad_beta = np.empty_like(x), np.zeros(D), np.zeros(D)
    for n in range(N):
        d_sum = d_x_hat_sum = 0.0
        for j in range(D):
            x_hat = (x[n, j] - mean[n]) * rstd[n]
            d_sum += grad_y[n, j] * gamma[j]
            d_x_hat_sum += grad_y[n, j] * gamma[j] * x_hat
            grad_gamma[j] += grad_y[n, j] * x_hat
            grad_beta[j] += grad_y[n, j]
        for j in range(D):
            x_hat = (x[n, j] - mean[n]) * rstd[n]
            grad_x[n, j] = rstd[n] * (grad_y[n, j] * gamma[j] - (d_sum + x_hat * d_x_hat_sum) / D)
    return grad_x, grad_gamma.astype(x.dtype), grad_beta.astype(x.dtype)


# Fast: rows go to all cores, and each loop over a row is made of vectors: the element-wise ones stay in x's own type.
# Backward, CHUNKS runs of rows sum grad_gamma and grad_beta apart, and these parts are added in order.


@parallel_jit
def _forward(x, gamma, beta, eps, y, mean, rstd):
    N, D = x.shape
    for n in prange(N):
        total = squares = 0.0
        for j in range(D):
            total += x[n, j]
        mean[n] = total / D
        for j in range(D):
            difference = x[n, j] - mean[n]
            squares += difference * difference
        rstd[n] = 1 / math.sqrt(squares / D + eps)
        for j in range(D):
            y[n, j] = (x[n, j] - mean[n]) * rstd[n] * gamma[j] + beta[j]


@parallel_jit
def _backward(grad_y, x, gamma, mean, rstd, parts, grad_x):
    N, D = x.shape
    for chunk in prange(CHUNKS):
        grad_gamma, grad_beta = parts[0, chunk], parts[1, chunk]
        for n in range(chunk * N // CHUNKS, (chunk + 1) * N // CHUNKS):
            mu, r = mean[n], rstd[n]
            d_sum = d_x_hat_sum = 0.0
            for j in range(D):
                d = grad_y[n, j] * gamma[j]
                d_sum += d
                d_x_hat_sum += d * (x[n, j] - mu) * r
            d_mean, d_x_hat_mean = x.dtype.type(d_sum / D), x.dtype.type(d_x_hat_sum / D)
            for j in range(D):
                x_hat = (x[n, j] - mu) * r
                grad_x[n, j] = r * (grad_y[n, j] * gamma[j] - d_mean - x_hat * d_x_hat_mean)
                grad_gamma[j] += grad_y[n, j] * x_hat
                grad_beta[j] += grad_y[n, j]


def forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    N = x.shape[0]
    y, mean, rstd = np.empty(x.shape, x.dtype), np.empty(N, x.dtype), np.empty(N, x.dtype)
    _forward(*map(contiguous, (x, gamma, beta)), eps, y, mean, rstd)
    return y, mean, rstd


def backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    parts = np.zeros((2, CHUNKS, x.shape[1]))
    grad_x = np.empty(x.shape, x.dtype)
    _backward(*map(contiguous, (grad_y, x, gamma, mean, rstd)), parts, grad_x)
    grad_gamma, grad_beta = parts.sum(axis=1).astype(x.dtype)
    return grad_x, grad_gamma, grad_beta
