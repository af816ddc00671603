"""Group normalisation on the GPU: a ladder of three steps, and the rule that chooses among them.

plain     a thread a group of a picture; float64 and any number of channels, too
chunks    a picture is cut into chunks of pixels, a block each
kept      a picture that fits is kept in registers
"""

from __future__ import annotations

from functools import cache

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.column_sums import column_sums
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.source import OLDEST, Source, blocks, c_type, contiguous, empty, of_each_type

# ---- The kernels

_PLAIN = Source(
    __file__,
    "group_norm_plain.cu",
    of_each_type("group_norm_forward_plain", "group_norm_backward_plain", "group_norm_backward_channels_plain"),
)
_CHUNKS = Source(
    __file__,
    "group_norm_chunks.cu",
    {
        "group_norm_forward_measure": OLDEST,
        "group_norm_forward_merge": OLDEST,
        "group_norm_forward_write": OLDEST,
        "group_norm_backward_measure": OLDEST,
        "group_norm_backward_write": OLDEST,
    },
)
_KEPT = Source(__file__, "group_norm_kept.cu", {"group_norm_forward_kept": OLDEST, "group_norm_backward_kept": OLDEST})

# ---- The rule: of the steps that can take the arrays, the last

PIXELS = 6  # that a thread keeps, KEPT in tile.cuh
THREADS = 256  # of a block, where there is a choice: several share a multiprocessor, and some work while others wait
PARTS = 256  # of a picture: as many leave their sums when the gradients are measured; then pixels are added to parts
WIDEST = 4096  # channels: four for each of a block's 1024 threads


def _only_plain(x: Array, *others: Array) -> bool:
    return x.shape[-1] > WIDEST or not fits_float4(x, *others)


def _threads_kept(N: int, width: int) -> int:
    """The threads, in whole warps, that keep N pixels of `width` channels in their registers."""
    return 32 * blocks(blocks(N, PIXELS) * width // 4, 32)


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
    return next((n for n in fits if _threads_kept(N, C // n) <= THREADS), fits[-1] if fits else 0)


def _chunks(C: int) -> tuple[int, int]:
    """How a picture that does not fit is cut: threads of a block, and pixels of a chunk."""
    rows = max(1, THREADS // (C // 4))
    return 32 * blocks(rows * C // 4, 32), rows * PIXELS


# ---- The launches


def forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool) -> tuple[Array, Array, Array]:
    x, gamma, beta = map(contiguous, (x, gamma, beta))
    B, N, C = x.shape
    y, mean, rstd = empty(x.shape, x), empty((B, groups), x), empty((B, groups), x)
    arrays = x, gamma, beta, y, mean, rstd
    if _only_plain(x, gamma, beta):
        kernel, grid = f"group_norm_forward_plain<{c_type(x)}>", blocks(B * groups, 64)
        _PLAIN.launch(kernel, grid, 64, *arrays, B, N, C, groups, np.float64(eps), silu)
    elif slices := _slices_kept(N, C, groups, 1024):
        threads, sizes = _threads_kept(N, C // slices), (N, C, groups, slices, eps, silu)
        _KEPT.launch("group_norm_forward_kept", B * slices, threads, *arrays, *sizes, shared=16 * threads)
    else:
        threads, chunk = _chunks(C)
        chunks = blocks(N, chunk)
        means, squares = empty((B, groups, chunks), x), empty((B, groups, chunks), x)
        launch, cut = (B * chunks, threads), (N, C, groups, chunk)
        _CHUNKS.launch("group_norm_forward_measure", *launch, x, means, squares, *cut, shared=16 * threads)
        merged = means, squares, mean, rstd, N, C // groups, chunk, np.float64(eps)
        _CHUNKS.launch("group_norm_forward_merge", B * groups, 256, *merged)
        _CHUNKS.launch("group_norm_forward_write", *launch, x, gamma, beta, mean, rstd, y, *cut, silu)
    return y, mean, rstd


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    arrays = grad_y, x, gamma, beta, mean, rstd = tuple(map(contiguous, (grad_y, x, gamma, beta, mean, rstd)))
    B, N, C = x.shape
    grad_x = empty(x.shape, x)
    if _only_plain(x, grad_y, gamma, beta):
        grad_gamma, grad_beta = empty((C,), x), empty((C,), x)
        of, sizes = c_type(x), (B, N, C, groups, silu)
        _PLAIN.launch(f"group_norm_backward_plain<{of}>", blocks(B * groups, 64), 64, *arrays, grad_x, *sizes)
        kernel = f"group_norm_backward_channels_plain<{of}>"
        _PLAIN.launch(kernel, blocks(C, 64), 64, *arrays, grad_gamma, grad_beta, *sizes)
        return grad_x, grad_gamma, grad_beta
    if slices := _slices_kept(N, C, groups, 512):
        threads = _threads_kept(N, C // slices)
        sums = empty((1, B, 2 * C), x)
        arguments = *arrays, grad_x, sums, N, C, groups, slices, silu
        _KEPT.launch("group_norm_backward_kept", B * slices, threads, *arguments, shared=32 * threads)
    else:
        threads, chunk = _chunks(C)
        long = chunk * max(2, blocks(N, chunk * PARTS))
        parts = empty((B, blocks(N, long), 2 * C), x)
        arguments = *arrays, parts, N, C, groups, long, silu
        _CHUNKS.launch("group_norm_backward_measure", B * parts.shape[1], threads, *arguments, shared=32 * threads)
        sums = column_sums(parts).reshape(1, B, 2 * C)
        arguments = *arrays, sums, grad_x, N, C, groups, chunk, silu
        _CHUNKS.launch("group_norm_backward_write", B * blocks(N, chunk), threads, *arguments, shared=32 * threads)
    grad_beta, grad_gamma = column_sums(sums).reshape(2, C)
    return grad_x, grad_gamma, grad_beta
