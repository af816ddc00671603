"""Softmax on the GPU: a group of lanes takes a row."""

from __future__ import annotations

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.source import Source, blocks, c_type, contiguous, empty, of_each_type

SOFTMAX = Source(__file__, "softmax.cu", of_each_type("softmax_forward", "softmax_backward"))


def lanes_for(D: int) -> int:
    """How many lanes of a warp share a row of D numbers: the power of two from D on, 32 at most.

    >>> [lanes_for(D) for D in (1, 2, 10, 32, 1000)]
    [1, 2, 16, 32, 32]
    """
    return min(32, 1 << (D - 1).bit_length())


def forward(x: Array) -> Array:
    x, y = contiguous(x), empty(x.shape, x)
    _each_row("softmax_forward", x, y)
    return y


def backward(grad_y: Array, y: Array) -> Array:
    grad_x = empty(y.shape, y)
    _each_row("softmax_backward", contiguous(grad_y), contiguous(y), grad_x)
    return grad_x


def _each_row(kernel: str, *arrays: Array) -> None:
    D = arrays[0].shape[-1]
    N, lanes = arrays[0].size // D, lanes_for(D)
    SOFTMAX.launch(f"{kernel}<{c_type(arrays[0])}>", blocks(N * lanes, 256), 256, *arrays, N, D, lanes)
