"""Group normalisation in Numba; x is (B, N, C) with N pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from minisd_kernels.compiling import contiguous, jit, parallel_jit


@jit
def plain_forward(x: Any, gamma: Any, beta: Any, groups: int, eps: float) -> tuple[Any, Any, Any]:
    B, N, C = x.shape
    width = C // groups
    y = np.empty_like(x)
    mean = np.empty((B, groups), x.dtype)
    rstd = np.empty((B, groups), x.dtype)
    for b in range(B):
        for g in range(groups):
            total = 0.0
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    total += x[b, n, c]
            mu = total / (N * width)
            squares = 0.0
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    squares += (x[b, n, c] - mu) ** 2
            mean[b, g] = mu
            rstd[b, g] = 1 / math.sqrt(squares / (N * width) + eps)
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    y[b, n, c] = gamma[c] * (x[b, n, c] - mu) * rstd[b, g] + beta[c]
    return y, mean, rstd


@jit
def plain_backward(grad_y: Any, x: Any, gamma: Any, mean: Any, rstd: Any, groups: int) -> tuple[Any, Any, Any]:
    B, N, C = x.shape
    width = C // groups
    grad_x = np.empty_like(x)
    grad_gamma, grad_beta = np.zeros(C), np.zeros(C)
    for b in range(B):
        for g in range(groups):
            d_sum = d_x_hat_sum = 0.0
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    x_hat = (x[b, n, c] - mean[b, g]) * rstd[b, g]
                    d_sum += grad_y[b, n, c] * gamma[c]
                    d_x_hat_sum += grad_y[b, n, c] * gamma[c] * x_hat
                    grad_gamma[c] += grad_y[b, n, c] * x_hat
                    grad_beta[c] += grad_y[b, n, c]
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    x_hat = (x[b, n, c] - mean[b, g]) * rstd[b, g]
                    d = grad_y[b, n, c] * gamma[c]
                    grad_x[b, n, c] = rstd[b, g] * (d - (d_sum + x_hat * d_x_hat_sum) / (N * width))
    return grad_x, grad_gamma.astype(x.dtype), grad_beta.astype(x.dtype)


# Fast: the channels are the innermost loop, so sums are kept per channel, a vector of channels at a time, and folded to
# groups at the end. Forward takes both sums in one pass: of x minus the group's first number, so that a mean far from
# 0 costs no digits in mean(x^2) - mean(x)^2. Eight pixels are summed in registers before they go to float64 in memory.
# Pieces of _PIECE pixels go to the cores; they depend on nothing but N, so neither do the results.
_PIECE = 1024


@jit
def _forward_sums(x: Any, first: Any, total: Any, squares: Any) -> None:
    """total[c] += sum of x[n, c] - first[c] over n, squares[c] += sum of its square."""
    N, C = x.shape
    eights = N - N % 8
    for n in range(0, eights, 8):
        for c in range(C):
            t = s = x.dtype.type(0)
            for k in range(8):
                difference = x[n + k, c] - first[c]
                t += difference
                s += difference * difference
            total[c] += t
            squares[c] += s
    for n in range(eights, N):
        for c in range(C):
            difference = x[n, c] - first[c]
            total[c] += difference
            squares[c] += difference * difference


@jit
def _backward_sums(grad_y: Any, x: Any, mean: Any, total: Any, products: Any) -> None:
    """total[c] += sum of grad_y[n, c] over n, products[c] += sum of grad_y[n, c] (x[n, c] - mean[c])."""
    N, C = x.shape
    eights = N - N % 8
    for n in range(0, eights, 8):
        for c in range(C):
            t = s = x.dtype.type(0)
            for k in range(8):
                t += grad_y[n + k, c]
                s += grad_y[n + k, c] * (x[n + k, c] - mean[c])
            total[c] += t
            products[c] += s
    for n in range(eights, N):
        for c in range(C):
            total[c] += grad_y[n, c]
            products[c] += grad_y[n, c] * (x[n, c] - mean[c])


@parallel_jit
def _forward(
    x: Any, gamma: Any, beta: Any, first: Any, sums: Any, groups: int, eps: float, y: Any, mean: Any, rstd: Any
) -> None:
    B, N, C = x.shape
    width, pieces = C // groups, sums.shape[1]
    for task in prange(B * pieces):
        b, piece = task // pieces, task % pieces
        part = x[b, piece * _PIECE : (piece + 1) * _PIECE]
        _forward_sums(part, first[b], sums[b, piece, 0], sums[b, piece, 1])
    centre, scale = np.empty((B, C), x.dtype), np.empty((B, C), x.dtype)
    for b in prange(B):
        for g in range(groups):
            total = squares = 0.0
            for piece in range(pieces):
                for c in range(g * width, (g + 1) * width):
                    total += sums[b, piece, 0, c]
                    squares += sums[b, piece, 1, c]
            shift = total / (N * width)
            mean[b, g] = first[b, g * width] + shift
            rstd[b, g] = 1 / math.sqrt(squares / (N * width) - shift * shift + eps)
            for c in range(g * width, (g + 1) * width):
                centre[b, c] = mean[b, g]
                scale[b, c] = gamma[c] * rstd[b, g]
    for task in prange(B * pieces):
        b, piece = task // pieces, task % pieces
        mu, factor = centre[b], scale[b]
        for n in range(piece * _PIECE, min(N, (piece + 1) * _PIECE)):
            source, target = x[b, n], y[b, n]
            for c in range(C):
                target[c] = (source[c] - mu[c]) * factor[c] + beta[c]


@parallel_jit
def _backward(grad_y: Any, x: Any, gamma: Any, centre: Any, rstd: Any, sums: Any, groups: int, grad_x: Any) -> None:
    B, N, C = x.shape
    width, pieces = C // groups, sums.shape[1]
    for task in prange(B * pieces):
        b, piece = task // pieces, task % pieces
        part = slice(piece * _PIECE, (piece + 1) * _PIECE)
        _backward_sums(grad_y[b, part], x[b, part], centre[b], sums[b, piece, 0], sums[b, piece, 1])
    # sums[..., 1, :] becomes the sum of grad_y x_hat, and grad_x = scale grad_y - slope (x - mean) - offset.
    scale, slope, offset = np.empty((B, C), x.dtype), np.empty((B, C), x.dtype), np.empty((B, C), x.dtype)
    for b in prange(B):
        for g in range(groups):
            r = rstd[b, g]
            d = d_x_hat = 0.0
            for piece in range(pieces):
                for c in range(g * width, (g + 1) * width):
                    sums[b, piece, 1, c] *= r
                    d += gamma[c] * sums[b, piece, 0, c]
                    d_x_hat += gamma[c] * sums[b, piece, 1, c]
            for c in range(g * width, (g + 1) * width):
                scale[b, c] = gamma[c] * r
                slope[b, c] = r * r * d_x_hat / (N * width)
                offset[b, c] = r * d / (N * width)
    for task in prange(B * pieces):
        b, piece = task // pieces, task % pieces
        mu, factor, tilt, level = centre[b], scale[b], slope[b], offset[b]
        for n in range(piece * _PIECE, min(N, (piece + 1) * _PIECE)):
            gradient, source, target = grad_y[b, n], x[b, n], grad_x[b, n]
            for c in range(C):
                target[c] = gradient[c] * factor[c] - (source[c] - mu[c]) * tilt[c] - level[c]


def _no_sums(x: Any) -> Any:
    """Zeros (B, pieces, 2, C): two sums of each channel over each piece."""
    B, N, C = x.shape
    return np.zeros((B, -(-N // _PIECE), 2, C))


def forward(x: Any, gamma: Any, beta: Any, groups: int, eps: float) -> tuple[Any, Any, Any]:
    B, _, C = x.shape
    first = np.repeat(x[:, 0, :: C // groups], C // groups, axis=1)  # (B, C)
    y, mean, rstd = np.empty(x.shape, x.dtype), np.empty((B, groups), x.dtype), np.empty((B, groups), x.dtype)
    _forward(*map(contiguous, (x, gamma, beta)), first, _no_sums(x), groups, eps, y, mean, rstd)
    return y, mean, rstd


def backward(grad_y: Any, x: Any, gamma: Any, mean: Any, rstd: Any, groups: int) -> tuple[Any, Any, Any]:
    centre = np.repeat(mean, x.shape[2] // groups, axis=1)  # (B, C)
    sums, grad_x = _no_sums(x), np.empty(x.shape, x.dtype)
    _backward(*map(contiguous, (grad_y, x, gamma, centre, rstd)), sums, groups, grad_x)
    grad_beta, grad_gamma = sums.sum(axis=(0, 1)).astype(x.dtype)
    return grad_x, grad_gamma, grad_beta
