"""Group normalisation on the CPU; x is (B, N, C) with N pixels."""

from __future__ import annotations

import math
from typing import NamedTuple

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


class Part(NamedTuple):
    """What a task takes of a picture: channels low ... high - 1 of C, of all its pixels."""

    pixels: int
    C: int
    low: int
    high: int


class Rows(NamedTuple):
    """A number for every channel of a picture: z = scale x + shift, and grad_x = scale grad_z - slope (x - centre) -
    offset."""

    centre: Array
    scale: Array
    shift: Array
    slope: Array
    offset: Array


class Options(NamedTuple):
    """Of a normalisation, and into how many slices a picture is cut."""

    groups: int
    eps: float
    silu: bool
    slices: int


@jit
def _block(C):
    """How many pixels are summed in registers, about 1 KB of them: memory gives best what lies close together."""
    return min(16, max(1, 256 // C))


@jit
def _part(task, shape, slices):
    """The picture and the part of it that a task takes, of pictures (B, pixels, C)."""
    _, pixels, C = shape
    width = C // slices
    return task // slices, Part(pixels, C, task % slices * width, (task % slices + 1) * width)


@jit
def _shifted_sums(x, first, part, total, squares):
    """total[c] += sum of x[n, c] - first[c] over the pixels, squares[c] += sum of its square, in the part."""
    size, C = _block(part.C), part.C
    for block in range(0, part.pixels, size):
        for c in range(part.low, part.high, LANES):
            centre = load(first, c)
            t = s = broadcast(np.float32(0))
            for n in range(block, min(part.pixels, block + size)):
                difference = load_some(x, n * C + c, part.high - c) - centre
                t = t + difference
                s = s + difference * difference
            add_to(total, c, t)
            add_to(squares, c, s)


@jit
def _set_scale_and_shift(gamma, beta, mean, rstd, channels, rows):
    """scale[c], shift[c] for one group's channels: gamma (x - mean) rstd + beta = scale x + shift."""
    for c in range(channels[0], channels[1]):
        rows.scale[c] = gamma[c] * rstd
        rows.shift[c] = beta[c] - mean * rows.scale[c]


@jit
def _scale_and_shift(x, rows, silu, part, y):
    """z = scale[c] x[n, c] + shift[c], y = SiLU(z) or z."""
    size, C = _block(part.C), part.C
    for block in range(0, part.pixels, size):
        for c in range(part.low, part.high, LANES):
            factor, term = load(rows.scale, c), load(rows.shift, c)
            for n in range(block, min(part.pixels, block + size)):
                z = factor * load_some(x, n * C + c, part.high - c) + term
                store_some(y, n * C + c, z * sigmoid(z) if silu else z, part.high - c)


@jit
def _gradient_sums(grad_y, x, rows, silu, part, total, products, grad_x):
    """total[c] += sum of grad_z[n, c], products[c] += sum of grad_z[n, c] (x[n, c] - centre[c]).

    With SiLU grad_z waits in grad_x.
    """
    one = np.float32(1)
    size, C = _block(part.C), part.C
    for block in range(0, part.pixels, size):
        for c in range(part.low, part.high, LANES):
            centre, factor, term = load(rows.centre, c), load(rows.scale, c), load(rows.shift, c)
            t = p = broadcast(np.float32(0))
            for n in range(block, min(part.pixels, block + size)):
                value = load_some(x, n * C + c, part.high - c)
                gradient = load_some(grad_y, n * C + c, part.high - c)
                if silu:
                    z = factor * value + term
                    s = sigmoid(z)
                    gradient = gradient * (s + z * s * (one - s))
                    store_some(grad_x, n * C + c, gradient, part.high - c)
                t = t + gradient
                p = p + gradient * (value - centre)
            add_to(total, c, t)
            add_to(products, c, p)


@jit
def _input_gradient(grad_z, x, rows, part, grad_x):
    """grad_x = scale grad_z - slope (x - centre) - offset."""
    size, C = _block(part.C), part.C
    for block in range(0, part.pixels, size):
        for c in range(part.low, part.high, LANES):
            centre, factor = load(rows.centre, c), load(rows.scale, c)
            tilt, level = load(rows.slope, c), load(rows.offset, c)
            for n in range(block, min(part.pixels, block + size)):
                difference = load_some(x, n * C + c, part.high - c) - centre
                gradient = factor * load_some(grad_z, n * C + c, part.high - c)
                store_some(grad_x, n * C + c, gradient - tilt * difference - level, part.high - c)


@parallel_jit
def _forward(x, gamma, beta, options, memory, y, mean, rstd):
    groups, eps, silu, slices = options
    all_rows, all_sums = memory
    B, C = x.shape[0], gamma.size
    shape, width = (B, x.shape[1] // C, C), C // groups
    for task in prange(B * slices):
        b, part = _part(task, shape, slices)
        first, total, squares, count = all_rows[b, 0], all_sums[b, 0], all_sums[b, 1], part.pixels * width
        rows = Rows(first, all_rows[b, 1], all_rows[b, 2], all_rows[b, 3], all_rows[b, 4])
        for g in range(part.low // width, part.high // width):
            for c in range(g * width, (g + 1) * width):
                first[c] = x[b, g * width]
        _shifted_sums(x[b], first, part, total, squares)
        for g in range(part.low // width, part.high // width):
            t = s = 0.0
            for c in range(g * width, (g + 1) * width):
                t += total[c]
                s += squares[c]
            difference = t / count
            mean[b, g] = first[g * width] + difference
            rstd[b, g] = 1 / math.sqrt(s / count - difference * difference + eps)
            _set_scale_and_shift(gamma, beta, mean[b, g], rstd[b, g], (g * width, (g + 1) * width), rows)
        _scale_and_shift(x[b], rows, silu, part, y[b])


@parallel_jit
def _backward(grad_y, x, gamma, beta, statistics, options, memory, grad_x):
    groups, _, silu, slices = options
    (all_rows, all_sums), (mean, rstd) = memory, statistics
    B, C = x.shape[0], gamma.size
    shape, width = (B, x.shape[1] // C, C), C // groups
    for task in prange(B * slices):
        b, part = _part(task, shape, slices)
        total, products, count = all_sums[b, 0], all_sums[b, 1], part.pixels * width
        # Written by their own names: Numba's threads forget what is written to a tuple's field.
        centre, slope, offset = all_rows[b, 0], all_rows[b, 3], all_rows[b, 4]
        rows = Rows(centre, all_rows[b, 1], all_rows[b, 2], slope, offset)
        for g in range(part.low // width, part.high // width):
            _set_scale_and_shift(gamma, beta, mean[b, g], rstd[b, g], (g * width, (g + 1) * width), rows)
            for c in range(g * width, (g + 1) * width):
                centre[c] = mean[b, g]
        _gradient_sums(grad_y[b], x[b], rows, silu, part, total, products, grad_x[b])
        for g in range(part.low // width, part.high // width):
            r = rstd[b, g]
            d = d_x_hat = 0.0
            for c in range(g * width, (g + 1) * width):
                products[c] *= r  # now the sum of grad_z x_hat
                d += gamma[c] * total[c]
                d_x_hat += gamma[c] * products[c]
            for c in range(g * width, (g + 1) * width):
                slope[c] = r * r * d_x_hat / count
                offset[c] = r * d / count
        grad_z = grad_x[b] if silu else grad_y[b]
        _input_gradient(grad_z, x[b], rows, part, grad_x[b])


def _slices(B: int, C: int, groups: int) -> int:
    """How many parts of whole groups and whole vectors to cut each picture's channels into: few, but enough tasks."""
    narrowest = math.lcm(C // groups, LANES)
    most = 1 if C % narrowest else C // narrowest
    return next(n for n in range(1, most + 1) if n == most or (most % n == 0 and n * B >= get_num_threads()))


def _memory(x: Array) -> tuple[Array, Array]:
    """Zeros for each picture: Rows, and two sums in float64 for every channel; whole vectors."""
    B, _, C = x.shape
    width = -(-C // LANES) * LANES
    return np.zeros((B, 5, width), np.float32), np.zeros((B, 2, width))


def forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool) -> tuple[Array, Array, Array]:
    if x.dtype != np.float32:
        return plain_forward(*map(contiguous, (x, gamma, beta)), groups, eps, silu)
    B, N, C = x.shape
    y, mean, rstd = np.empty(x.shape, x.dtype), np.empty((B, groups), x.dtype), np.empty((B, groups), x.dtype)
    arrays = contiguous(x).reshape(B, N * C), contiguous(gamma), contiguous(beta)
    options = Options(groups, eps, silu, _slices(B, C, groups))
    _forward(*arrays, options, _memory(x), y.reshape(B, N * C), mean, rstd)
    return y, mean, rstd


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    grad_y, x, gamma, beta, mean, rstd = (contiguous(array) for array in (grad_y, x, gamma, beta, mean, rstd))
    if x.dtype != np.float32:
        return plain_backward(grad_y, x, gamma, beta, mean, rstd, groups, silu)
    B, N, C = x.shape
    rows, sums = _memory(x)
    grad_x = np.empty(x.shape, x.dtype)
    options = Options(groups, 0.0, silu, _slices(B, C, groups))
    pictures = grad_y.reshape(B, N * C), x.reshape(B, N * C)
    _backward(*pictures, gamma, beta, (mean, rstd), options, (rows, sums), grad_x.reshape(B, N * C))
    grad_beta, grad_gamma = sums[:, :, :C].sum(axis=0).astype(x.dtype)
    return grad_x, grad_gamma, grad_beta
