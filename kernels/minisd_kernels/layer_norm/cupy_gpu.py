"""Layer normalisation on the GPU: as many threads share a row as it has vectors of four numbers."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.column_sums import column_sums
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.source import OLDEST, Source, blocks, c_type, contiguous, empty, of_each_type

LAYER_NORM = Source(
    __file__,
    "layer_norm.cu",
    of_each_type("layer_norm_forward", "layer_norm_backward", "layer_norm_backward_columns")
    | {"layer_norm_forward_fours": OLDEST, "layer_norm_backward_fours": OLDEST},
)
_WIDEST = 4096  # numbers in a row: four for each of a block's 1024 threads
_THREADS = 384  # of a block, about, where rows are short
_BLOCKS = 256  # two for each multiprocessor of an H100; more would leave more sums to add up


def forward(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    x, gamma, beta = map(contiguous, (x, gamma, beta))
    N, D = x.shape
    y, mean, rstd = empty(x.shape, x), empty((N,), x), empty((N,), x)
    arrays = x, gamma, beta, y, mean, rstd
    if D <= _WIDEST and fits_float4(x, gamma, beta):
        block = _threads_of_rows(D)
        LAYER_NORM.launch("layer_norm_forward_fours", blocks(N, block[1]), block, *arrays, N, D, eps)
    else:
        kernel = f"layer_norm_forward<{c_type(x)}>"
        LAYER_NORM.launch(kernel, blocks(N, 128), 128, *arrays, N, D, np.float64(eps))
    return y, mean, rstd


def backward(grad_y: Array, x: Array, gamma: Array, mean: Array, rstd: Array) -> tuple[Array, Array, Array]:
    grad_y, x, gamma, mean, rstd = map(contiguous, (grad_y, x, gamma, mean, rstd))
    N, D = x.shape
    grad_x = empty(x.shape, x)
    arrays = grad_y, x, gamma, mean, rstd, grad_x
    if D <= _WIDEST and fits_float4(grad_y, x, gamma):
        block = _threads_of_rows(D)
        grid = min(blocks(N, block[1]), _BLOCKS)
        parts = empty((1, grid, 2 * D), x)
        shared = 16 * block[0] * block[1]
        LAYER_NORM.launch("layer_norm_backward_fours", grid, block, *arrays, parts, N, D, shared=shared)
        grad_gamma, grad_beta = column_sums(parts).reshape(2, D)
    else:
        grad_gamma, grad_beta = empty((D,), x), empty((D,), x)
        LAYER_NORM.launch(f"layer_norm_backward<{c_type(x)}>", blocks(N, 128), 128, *arrays, N, D)
        kernel, arrays = f"layer_norm_backward_columns<{c_type(x)}>", (grad_y, x, mean, rstd, grad_gamma, grad_beta)
        LAYER_NORM.launch(kernel, blocks(D, 128), 128, *arrays, N, D)
    return grad_x, grad_gamma, grad_beta


def _threads_of_rows(D: int) -> tuple[int, int]:
    """A block's threads: whole warps for a row of D numbers, and rows."""
    threads = 32 * blocks(D, 4 * 32)
    return threads, max(1, _THREADS // threads)
