"""Group normalisation in Numba; x is (B, N, C) with N pixels."""

from __future__ import annotations

import math

import numpy as np
from numba import get_num_threads, prange

from minisd_kernels.arguments import Array
from minisd_kernels.compiling import contiguous, jit, parallel_jit
from minisd_kernels.fast_exp import sigmoid
from minisd_kernels.vectors import LANES, add_to, broadcast, load, load_some, store_some


@jit
def plain_forward(
    x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool
) -> tuple[Array, Array, Array]:
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
                    z = gamma[c] * (x[b, n, c] - mu) * rstd[b, g] + beta[c]
                    y[b, n, c] = z / (1 + math.exp(-z)) if silu else z
    return y, mean, rstd


@jit
def plain_backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    B, N, C = x.shape
    width = C // groups
    grad_z, grad_x = grad_y.copy(), np.empty_like(x)  # y is SiLU(z), or z itself
    grad_gamma, grad_beta = np.zeros(C), np.zeros(C)
    for b in range(B):
        for g in range(groups):
            d_sum = d_x_hat_sum = 0.0
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    x_hat = (x[b, n, c] - mean[b, g]) * rstd[b, g]
                    if silu:
                        z = gamma[c] * x_hat + beta[c]
                        s = 1 / (1 + math.exp(-z))
                        grad_z[b, n, c] *= s * (1 + z * (1 - s))
                    d_sum += grad_z[b, n, c] * gamma[c]
                    d_x_hat_sum += grad_z[b, n, c] * gamma[c] * x_hat
                    grad_gamma[c] += grad_z[b, n, c] * x_hat
                    grad_beta[c] += grad_z[b, n, c]
            for n in range(N):
                for c in range(g * width, (g + 1) * width):
                    x_hat = (x[b, n, c] - mean[b, g]) * rstd[b, g]
                    d = grad_z[b, n, c] * gamma[c]
                    grad_x[b, n, c] = rstd[b, g] * (d - (d_sum + x_hat * d_x_hat_sum) / (N * width))
    return grad_x, grad_gamma.astype(x.dtype), grad_beta.astype(x.dtype)


# Fast, for float32: a vector holds LANES neighbouring channels of a pixel, so sums are kept per channel, and folded to
# groups at the end. Forward takes both sums in one pass: of x minus the group's first number, so that a mean far from 0
# costs no digits in mean(x^2) - mean(x)^2. A block of pixels is summed in registers, then added to float64 in memory.
# SiLU costs no pass of its own: forward it is taken while z is in a register; backward z is computed again from x, and
# grad_z waits in grad_x until the sums over it are known. That takes two thirds of the time of a kernel each.
# A task is a slice of a picture's channels, whole groups and whole vectors, with both passes: in the second one it is
# still in the cache. How many slices there are changes no sum.


@jit
def _block(C):
    """How many pixels are summed in registers, about 1 KB of them: memory gives best what lies close together."""
    return min(16, max(1, 256 // C))


@jit
def _shifted_sums(x, first, pixels, C, low, high, total, squares):
    """total[c] += sum of x[n, c] - first[c] over the pixels, squares[c] += sum of its square, for low <= c < high."""
    size = _block(C)
    for block in range(0, pixels, size):
        for c in range(low, high, LANES):
            centre = load(first, c)
            t = s = broadcast(np.float32(0))
            for n in range(block, min(pixels, block + size)):
                difference = load_some(x, n * C + c, high - c) - centre
                t = t + difference
                s = s + difference * difference
            add_to(total, c, t)
            add_to(squares, c, s)


@jit
def _set_scale_and_shift(gamma, beta, mean, rstd, start, width, scale, shift):
    """scale[c], shift[c] for one group's channels: gamma (x - mean) rstd + beta = scale x + shift."""
    for c in range(start, start + width):
        scale[c] = gamma[c] * rstd
        shift[c] = beta[c] - mean * scale[c]


@jit
def _scale_and_shift(x, scale, shift, silu, pixels, C, low, high, y):
    """z = scale[c] x[n, c] + shift[c], y = SiLU(z) or z."""
    size = _block(C)
    for block in range(0, pixels, size):
        for c in range(low, high, LANES):
            factor, term = load(scale, c), load(shift, c)
            for n in range(block, min(pixels, block + size)):
                z = factor * load_some(x, n * C + c, high - c) + term
                store_some(y, n * C + c, z * sigmoid(z) if silu else z, high - c)


@jit
def _gradient_sums(grad_y, x, mean, scale, shift, silu, pixels, C, low, high, total, products, grad_x):
    """total[c] += sum of grad_z[n, c], products[c] += sum of grad_z[n, c] (x[n, c] - mean[c]); SiLU: grad_x = grad_z"""
    one = np.float32(1)
    size = _block(C)
    for block in range(0, pixels, size):
        for c in range(low, high, LANES):
            centre, factor, term = load(mean, c), load(scale, c), load(shift, c)
            t = p = broadcast(np.float32(0))
            for n in range(block, min(pixels, block + size)):
                value = load_some(x, n * C + c, high - c)
                gradient = load_some(grad_y, n * C + c, high - c)
                if silu:
                    z = factor * value + term
                    s = sigmoid(z)
                    gradient = gradient * (s + z * s * (one - s))
                    store_some(grad_x, n * C + c, gradient, high - c)
                t = t + gradient
                p = p + gradient * (value - centre)
            add_to(total, c, t)
            add_to(products, c, p)


@jit
def _input_gradient(grad_z, x, mean, scale, slope, offset, pixels, C, low, high, grad_x):
    """grad_x = scale grad_z - slope (x - mean) - offset."""
    size = _block(C)
    for block in range(0, pixels, size):
        for c in range(low, high, LANES):
            centre, factor, tilt, level = load(mean, c), load(scale, c), load(slope, c), load(offset, c)
            for n in range(block, min(pixels, block + size)):
                difference = load_some(x, n * C + c, high - c) - centre
                gradient = factor * load_some(grad_z, n * C + c, high - c)
                store_some(grad_x, n * C + c, gradient - tilt * difference - level, high - c)


@parallel_jit
def _forward(x, gamma, beta, groups, eps, silu, slices, rows, sums, y, mean, rstd):
    B, C = x.shape[0], gamma.size
    pixels, width, slice_width = x.shape[1] // C, C // groups, C // slices
    for task in prange(B * slices):
        b, low = task // slices, task % slices * slice_width
        high = low + slice_width
        first, scale, shift, total, squares = rows[b, 0], rows[b, 1], rows[b, 2], sums[b, 0], sums[b, 1]
        for g in range(low // width, high // width):
            for c in range(g * width, (g + 1) * width):
                first[c] = x[b, g * width]
        _shifted_sums(x[b], first, pixels, C, low, high, total, squares)
        for g in range(low // width, high // width):
            t = s = 0.0
            for c in range(g * width, (g + 1) * width):
                t += total[c]
                s += squares[c]
            difference = t / (pixels * width)
            mean[b, g] = first[g * width] + difference
            rstd[b, g] = 1 / math.sqrt(s / (pixels * width) - difference * difference + eps)
            _set_scale_and_shift(gamma, beta, mean[b, g], rstd[b, g], g * width, width, scale, shift)
        _scale_and_shift(x[b], scale, shift, silu, pixels, C, low, high, y[b])


@parallel_jit
def _backward(grad_y, x, gamma, beta, mean, rstd, groups, silu, slices, rows, sums, grad_x):
    B, C = x.shape[0], gamma.size
    pixels, width, slice_width = x.shape[1] // C, C // groups, C // slices
    for task in prange(B * slices):
        b, low = task // slices, task % slices * slice_width
        high = low + slice_width
        centre, scale, shift, slope, offset = rows[b, 0], rows[b, 1], rows[b, 2], rows[b, 3], rows[b, 4]
        total, products = sums[b, 0], sums[b, 1]
        for g in range(low // width, high // width):
            _set_scale_and_shift(gamma, beta, mean[b, g], rstd[b, g], g * width, width, scale, shift)
            for c in range(g * width, (g + 1) * width):
                centre[c] = mean[b, g]
        _gradient_sums(grad_y[b], x[b], centre, scale, shift, silu, pixels, C, low, high, total, products, grad_x[b])
        for g in range(low // width, high // width):
            r = rstd[b, g]
            d = d_x_hat = 0.0
            for c in range(g * width, (g + 1) * width):
                products[c] *= r  # now the sum of grad_z x_hat
                d += gamma[c] * total[c]
                d_x_hat += gamma[c] * products[c]
            for c in range(g * width, (g + 1) * width):
                slope[c] = r * r * d_x_hat / (pixels * width)
                offset[c] = r * d / (pixels * width)
        grad_z = grad_x[b] if silu else grad_y[b]
        _input_gradient(grad_z, x[b], centre, scale, slope, offset, pixels, C, low, high, grad_x[b])


def _slices(B: int, C: int, groups: int) -> int:
    """How many parts of whole groups and whole vectors to cut each picture's channels into: few, but enough tasks."""
    narrowest = math.lcm(C // groups, LANES)
    most = 1 if C % narrowest else C // narrowest
    return next(n for n in range(1, most + 1) if n == most or (most % n == 0 and n * B >= get_num_threads()))


def _no_rows_and_sums(count: int, x: Array) -> tuple[Array, Array]:
    """Zeros for each picture: `count` rows of a number, and two of a float64 sum, for every channel; whole vectors."""
    B, _, C = x.shape
    width = -(-C // LANES) * LANES
    return np.zeros((B, count, width), np.float32), np.zeros((B, 2, width))


def forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool) -> tuple[Array, Array, Array]:
    if x.dtype != np.float32:
        return plain_forward(*map(contiguous, (x, gamma, beta)), groups, eps, silu)
    B, _, C = x.shape
    y, mean, rstd = np.empty(x.shape, x.dtype), np.empty((B, groups), x.dtype), np.empty((B, groups), x.dtype)
    arrays = contiguous(x).reshape(B, -1), contiguous(gamma), contiguous(beta)
    outputs = *_no_rows_and_sums(3, x), y.reshape(B, -1), mean, rstd
    _forward(*arrays, groups, eps, silu, _slices(B, C, groups), *outputs)
    return y, mean, rstd


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    arrays = [contiguous(array) for array in (grad_y, x, gamma, beta, mean, rstd)]
    if x.dtype != np.float32:
        return plain_backward(*arrays, groups, silu)
    B, _, C = x.shape
    rows, sums = _no_rows_and_sums(5, x)
    grad_x = np.empty(x.shape, x.dtype)
    pictures = [array.reshape(B, -1) for array in arrays[:2]]
    _backward(*pictures, *arrays[2:], groups, silu, _slices(B, C, groups), rows, sums, grad_x.reshape(B, -1))
    grad_beta, grad_gamma = sums[:, :, :C].sum(axis=0).astype(x.dtype)
    return grad_x, grad_gamma, grad_beta
