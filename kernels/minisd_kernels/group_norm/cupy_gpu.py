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
from minisd_kernels.devices import device_of

STEPS = ("plain", "chunks", "kept")


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
FORWARD, BACKWARD = 1024, 512  # threads of a block that keeps a picture at the most: backward, each keeps twice as much
PARTS = 256  # of a picture: as many leave their sums when the gradients are measured; then pixels are added to parts
WIDEST = 4096  # channels: four for each of a block's 1024 threads


def forward_steps(x: Array, gamma: Array, beta: Array, groups: int) -> list[str]:
    """The steps that can take these arrays, from the plainest to the fastest."""
    return _steps(FORWARD, groups, x, gamma, beta)


def backward_steps(grad_y: Array, x: Array, gamma: Array, beta: Array, groups: int) -> list[str]:
    """The same for the gradients."""
    return _steps(BACKWARD, groups, x, grad_y, gamma, beta)


def _steps(most: int, groups: int, x: Array, *others: Array) -> list[str]:
    _, N, C = x.shape
    if C > WIDEST or not fits_float4(x, *others):
        return ["plain"]
    return ["plain", "chunks", "kept"] if _slices_kept(N, C, groups, most) else ["plain", "chunks"]


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


def forward(x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool) -> tuple[Array, Array, Array]:
    x, gamma, beta = map(contiguous, (x, gamma, beta))
    return _forward(forward_steps(x, gamma, beta, groups)[-1], x, gamma, beta, groups, eps, silu)


def forward_by(
    step: str, x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool
) -> tuple[Array, Array, Array]:
    """The same by one step of the ladder, whatever the rule says.

    Raises:
        ValueError: the step cannot take these arrays.
    """
    x, gamma, beta = map(contiguous, (x, gamma, beta))
    _require(step, forward_steps(x, gamma, beta, groups), x)
    return _forward(step, x, gamma, beta, groups, eps, silu)


def backward(
    grad_y: Array, x: Array, gamma: Array, beta: Array, mean: Array, rstd: Array, groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    grad_y, x, gamma, beta, mean, rstd = map(contiguous, (grad_y, x, gamma, beta, mean, rstd))
    step = backward_steps(grad_y, x, gamma, beta, groups)[-1]
    return _backward(step, (grad_y, x, gamma, beta, mean, rstd), groups, silu)


def backward_by(
    step: str, grad_y: Array, x: Array, gamma: Array, beta: Array, saved: tuple[Array, Array], groups: int, silu: bool
) -> tuple[Array, Array, Array]:
    """The gradients by one step of the ladder, whatever the rule says; `saved` is the mean and rstd of forward.

    Raises:
        ValueError: the step cannot take these arrays.
    """
    grad_y, x, gamma, beta, mean, rstd = map(contiguous, (grad_y, x, gamma, beta, *saved))
    _require(step, backward_steps(grad_y, x, gamma, beta, groups), x)
    return _backward(step, (grad_y, x, gamma, beta, mean, rstd), groups, silu)


def _require(step: str, steps: list[str], x: Array) -> None:
    if step not in steps:
        raise ValueError(
            f"group_norm has no step {step!r} for {x.dtype.name} of shape {x.shape} on {device_of(x)}; "
            f"choose one of {', '.join(steps)}"
        )


# ---- The launches


def _forward(
    step: str, x: Array, gamma: Array, beta: Array, groups: int, eps: float, silu: bool
) -> tuple[Array, Array, Array]:
    B, N, C = x.shape
    y, mean, rstd = empty(x.shape, x), empty((B, groups), x), empty((B, groups), x)
    arrays = x, gamma, beta, y, mean, rstd
    if step == "plain":
        kernel, grid = f"group_norm_forward_plain<{c_type(x)}>", blocks(B * groups, 64)
        _PLAIN.launch(kernel, grid, 64, *arrays, B, N, C, groups, np.float64(eps), silu)
    elif step == "chunks":
        threads, chunk = _chunks(C)
        chunks = blocks(N, chunk)
        means, squares = empty((B, groups, chunks), x), empty((B, groups, chunks), x)
        launch, cut = (B * chunks, threads), (N, C, groups, chunk)
        _CHUNKS.launch("group_norm_forward_measure", *launch, x, means, squares, *cut, shared=16 * threads)
        merged = means, squares, mean, rstd, N, C // groups, chunk, np.float64(eps)
        _CHUNKS.launch("group_norm_forward_merge", B * groups, 256, *merged)
        _CHUNKS.launch("group_norm_forward_write", *launch, x, gamma, beta, mean, rstd, y, *cut, silu)
    else:
        slices = _slices_kept(N, C, groups, FORWARD)
        threads, sizes = _threads_kept(N, C // slices), (N, C, groups, slices, eps, silu)
        _KEPT.launch("group_norm_forward_kept", B * slices, threads, *arrays, *sizes, shared=16 * threads)
    return y, mean, rstd


def _backward(step: str, arrays: tuple[Array, ...], groups: int, silu: bool) -> tuple[Array, Array, Array]:
    """The arrays are grad_y, x, gamma, beta, mean, rstd, in the kernels' order."""
    x = arrays[1]
    B, N, C = x.shape
    grad_x = empty(x.shape, x)
    if step == "plain":
        grad_gamma, grad_beta = empty((C,), x), empty((C,), x)
        of, sizes = c_type(x), (B, N, C, groups, silu)
        _PLAIN.launch(f"group_norm_backward_plain<{of}>", blocks(B * groups, 64), 64, *arrays, grad_x, *sizes)
        kernel = f"group_norm_backward_channels_plain<{of}>"
        _PLAIN.launch(kernel, blocks(C, 64), 64, *arrays, grad_gamma, grad_beta, *sizes)
        return grad_x, grad_gamma, grad_beta
    if step == "chunks":
        threads, chunk = _chunks(C)
        long = chunk * max(2, blocks(N, chunk * PARTS))
        parts = empty((B, blocks(N, long), 2 * C), x)
        arguments = *arrays, parts, N, C, groups, long, silu
        _CHUNKS.launch("group_norm_backward_measure", B * parts.shape[1], threads, *arguments, shared=32 * threads)
        sums = column_sums(parts).reshape(1, B, 2 * C)
        arguments = *arrays, sums, grad_x, N, C, groups, chunk, silu
        _CHUNKS.launch("group_norm_backward_write", B * blocks(N, chunk), threads, *arguments, shared=32 * threads)
    else:
        slices = _slices_kept(N, C, groups, BACKWARD)
        threads = _threads_kept(N, C // slices)
        sums = empty((1, B, 2 * C), x)
        arguments = *arrays, grad_x, sums, N, C, groups, slices, silu
        _KEPT.launch("group_norm_backward_kept", B * slices, threads, *arguments, shared=32 * threads)
    grad_beta, grad_gamma = column_sums(sums).reshape(2, C)
    return grad_x, grad_gamma, grad_beta
