"""Nearest-neighbour upsampling: every pixel becomes a block of sh x sw equal pixels.

    y[b, p, q, c] = x[b, p // sh, q // sw, c]
    grad_x[b, h, w, c] = sum of grad_y[b, p, q, c] over the block p // sh = h, q // sw = w

Shapes: x (B, H, W, C) -> y (B, P, Q, C) with P = sh H, Q = sw W.

>>> import numpy as np
>>> forward(np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1), scale=(1, 2)).ravel().tolist()
[1.0, 1.0, 2.0, 2.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, Pair, pair, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array, scale: Pair) -> Array: ...

    def backward(self, grad_y: Array, scale: Pair) -> Array: ...


def forward(x: Array, *, scale: int | Sequence[int]) -> Array:
    """Repeat rows sh times and columns sw times.

    Shapes: x (B, H, W, C) -> y (B, P, Q, C) with P = sh H, Q = sw W; the scale is an int or (sh, sw).

    Raises:
        ShapeError: x is not (B, H, W, C), or a scale is below 1.
        TypeError: x is neither float32 nor float64.
    """
    require_float("upsample2d", x)
    require_shape("upsample2d x", x, "(B, H, W, C)", (None,) * 4)
    return kernel(Backend, x).forward(x, pair(scale, "upsample2d scale"))


def backward(grad_y: Array, *, scale: int | Sequence[int]) -> Array:
    """Add up the gradients of every block.

    Shapes: grad_y (B, P, Q, C) -> grad_x (B, H, W, C).

    Raises:
        ShapeError: grad_y is not (B, P, Q, C) with P = sh H, Q = sw W, or a scale is below 1.
        TypeError: grad_y is neither float32 nor float64.
    """
    require_float("upsample2d", grad_y)
    require_shape("upsample2d grad_y", grad_y, "(B, P, Q, C)", (None,) * 4)
    sh, sw = pair(scale, "upsample2d scale")
    if grad_y.shape[1] % sh or grad_y.shape[2] % sw:
        raise ShapeError(f"upsample2d grad_y: wanted whole blocks of {sh} x {sw} pixels, got {tuple(grad_y.shape)}")
    return kernel(Backend, grad_y).backward(grad_y, (sh, sw))


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.upsample2d import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
