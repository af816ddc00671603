"""GEGLU: one half of a row opens and shuts the other (Shazeer 2020, eq. 5, without its linear layers).

    y = value gelu(gate),    x = value, gate side by side,    gelu(g) = g Phi(g), the exact one
    grad_value = grad_y gelu(gate),    grad_gate = grad_y value (Phi(gate) + gate phi(gate))

Shapes: x (..., 2D) -> y (..., D); value is x[..., :D], gate x[..., D:].

>>> import numpy as np
>>> forward(np.array([[2.0, 3.0, -1e4, 1.0]])).round(4).tolist()
[[-0.0, 2.524]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array) -> Array: ...

    def backward(self, grad_y: Array, x: Array) -> Array: ...


def forward(x: Array) -> Array:
    """y = value gelu(gate).

    Shapes: x (..., 2D) -> y (..., D).

    Raises:
        ShapeError: x has no axis, or its last one is no two halves.
        TypeError: x is neither float32 nor float64.
    """
    require_float("geglu", x)
    D = _half(x)
    return kernel(Backend, x).forward(x.reshape(-1, 2 * D)).reshape(*x.shape[:-1], D)


def backward(grad_y: Array, x: Array) -> Array:
    """The gradient in value and gate, side by side.

    Shapes: grad_y (..., D), x (..., 2D) -> grad_x (..., 2D).

    Raises:
        ShapeError: a shape is not as above.
        TypeError: they are not both float32 or both float64.
    """
    require_float("geglu", grad_y, x)
    D = _half(x)
    require_shape("geglu grad_y", grad_y, "(..., D)", (*x.shape[:-1], D))
    return kernel(Backend, x).backward(grad_y.reshape(-1, D), x.reshape(-1, 2 * D)).reshape(x.shape)


def _half(x: Array) -> int:
    if x.ndim == 0 or x.shape[-1] % 2 or x.shape[-1] == 0:
        raise ShapeError(f"geglu x: wanted shape (..., 2D) with D >= 1, got {tuple(x.shape)}")
    D: int = x.shape[-1] // 2
    return D


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.geglu import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
