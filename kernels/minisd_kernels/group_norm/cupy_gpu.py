"""Group normalisation on the GPU: a picture that fits is kept in a block's registers, others are cut into chunks."""

from __future__ import annotations

from functools import cache

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.column_sums import column_sums
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.source import OLDEST, Source, blocks, c_type, contiguous, empty, of_each_type

_FAST = (
    "group_norm_forward_kept",
    "group_norm_forward_measure",
    "group_norm_forward_merge",
    "group_norm_forward_write",
    "group_norm_backward_kept",
    "group_norm_backward_measure",
    "group_norm_backward_write",
)
GROUP_NORM = Source(
    __file__,
    "group_norm.cu",
    of_each_type("group_norm_forward", "group_norm_backward", "group_norm_backward_channels")
    | dict.fromkeys(_FAST, OLDEST),
)
_KEPT = 6  # as in the .cu
_THREADS = 256  # of a block, where there is a choice: several share a multiprocessor, and some work while others wait
_CHUNKS = 256  # of a picture: as many leave their sums when the gradients are measured; then pixels are added to chunks
_WIDEST = 4096  # channels: four for each of a block's 1024 threads


def forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool) -> tuple[Array, Array, Array]:
    x, gamma, beta = map(contiguous, (x, gamma, beta))
    B, N, C = x.shape
    y, mean, rstd = empty(x.shape, x), empty((B, groups), x), empty((B, groups), x)
    if not (fits_float4(x, gamma, beta) and C <= _WIDEST):
        kernel = f"group_norm_forward<{c_type(x)}>"
        sizes = B, N, C, groups, np.float64(eps), silu
        GROUP_NORM.launch(kernel, blocks(B * groups, 64), 64, x, gamma, beta, *sizes, y, mean, rstd)
    elif slices := _slices_kept(N, C, groups, 1024):
        threads = _threads_kept(N, C // slices)
        arguments = x, gamma, beta, N, C, groups, slices, eps, silu, y, mean, rstd
        GROUP_NORM.launch("group_norm_forward_kept", B * slices, threads, *arguments, shared=16 * threads)
    else:
        threads, chunk = _chunks(C)
        chunks = blocks(N, chunk)
        means, squares = empty((B, groups, chunks), x), empty((B, groups, chunks), x)
        launch, cut = (B * chunks, threads), (N, C, groups, chunk)
        GROUP_NORM.launch("group_norm_forward_measure", *launch, x, *cut, means, squares, shared=16 * threads)
        merged = means, squares, N, C // groups, chunk, np.float64(eps), mean, rstd
        GROUP_NORM.launch("group_norm_forward_merge", B * groups, 256, *merged)
        GROUP_NORM.launch("group_norm_forward_write", *launch, x, gamma, beta, mean, rstd, *cut, silu, y)
    return y, mean, rstd


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    arrays = grad_y, x, gamma, beta, mean, rstd = tuple(map(contiguous, (grad_y, x, gamma, beta, mean, rstd)))
    B, N, C = x.shape
    grad_x = empty(x.shape, x)
    if not (fits_float4(grad_y, x, gamma, beta) and C <= _WIDEST):
        grad_gamma, grad_beta = empty((C,), x), empty((C,), x)
        sizes = B, N, C, groups, silu
        GROUP_NORM.launch(f"group_norm_backward<{c_type(x)}>", blocks(B * groups, 64), 64, *arrays, *sizes, grad_x)
        kernel = f"group_norm_backward_channels<{c_type(x)}>"
        GROUP_NORM.launch(kernel, blocks(C, 64), 64, *arrays, *sizes, grad_gamma, grad_beta)
        return grad_x, grad_gamma, grad_beta
    if slices := _slices_kept(N, C, groups, 512):
        threads = _threads_kept(N, C // slices)
        sums = empty((1, B, 2 * C), x)
        arguments = *arrays, N, C, groups, slices, silu, grad_x, sums
        GROUP_NORM.launch("group_norm_backward_kept", B * slices, threads, *arguments, shared=32 * threads)
    else:
        threads, chunk = _chunks(C)
        long = chunk * max(2, blocks(N, chunk * _CHUNKS))
        parts = empty((B, blocks(N, long), 2 * C), x)
        launch, cut = (B * parts.shape[1], threads), (N, C, groups, long, silu)
        GROUP_NORM.launch("group_norm_backward_measure", *launch, *arrays, *cut, parts, shared=32 * threads)
        sums = column_sums(parts).reshape(1, B, 2 * C)
        launch, cut = (B * blocks(N, chunk), threads), (N, C, groups, chunk, silu)
        GROUP_NORM.launch("group_norm_backward_write", *launch, *arrays, sums, *cut, grad_x, shared=32 * threads)
    grad_beta, grad_gamma = column_sums(sums).reshape(2, C)
    return grad_x, grad_gamma, grad_beta


def _threads_kept(N: int, width: int) -> int:
    """The threads, in whole warps, that keep N pixels of `width` channels in their registers."""
    return 32 * blocks(blocks(N, _KEPT) * width // 4, 32)


@cache
def _slices_kept(N: int, C: int, groups: int, most: int) -> int:
    """Into how many slices of whole groups and whole vectors to cut the channels, so that `most` threads or fewer keep
    all N pixels of one: the fewest whose blocks have a handy size, else as many as can be. 0 if no slice fits.

    Slices are a multiple of 8 channels if they can be: memory is read 32 bytes at a time.

    >>> _slices_kept(28 * 28, 32, 8, most=1024), _slices_kept(64 * 64, 320, 32, most=1024)
    (4, 0)
    """
    divisors = [n for n in range(1, groups + 1) if groups % n == 0 and C // n % 4 == 0]
    fits = [n for n in divisors if _threads_kept(N, C // n) <= most]
    fits = [n for n in fits if C // n % 8 == 0] or fits
    return next((n for n in fits if _threads_kept(N, C // n) <= _THREADS), fits[-1] if fits else 0)


def _chunks(C: int) -> tuple[int, int]:
    """How a picture that does not fit is cut: threads of a block, and pixels of a chunk."""
    rows = max(1, _THREADS // (C // 4))
    return 32 * blocks(rows * C // 4, 32), rows * _KEPT
