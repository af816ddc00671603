"""Softmax over the last axis (Bridle 1990).

    y_d = e^(x_d - max x) / sum_k e^(x_k - max x)
    grad_x_d = y_d (grad_y_d - sum_k grad_y_k y_k)

Subtracting the maximum changes nothing in the quotient and keeps every exponential in [0, 1].

Shapes: x (..., D) -> y (..., D); every row sums to 1.

>>> import numpy as np
>>> forward(np.array([[0.0, 0.0], [-1e4, 1e4]])).tolist()
[[0.5, 0.5], [0.0, 1.0]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array) -> Array: ...

    def backward(self, grad_y: Array, y: Array) -> Array: ...


def forward(x: Array) -> Array:
    """The rows of x as probabilities.

    Shapes: x (..., D) -> y (..., D).

    Raises:
        ShapeError: x has no axis, or its last axis is empty.
        TypeError: x is neither float32 nor float64.
    """
    require_float("softmax", x)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ShapeError(f"softmax x: wanted shape (..., D) with D >= 1, got {tuple(x.shape)}")
    return kernel(Backend, x).forward(x)


def backward(grad_y: Array, y: Array) -> Array:
    """The gradient in x, from the output y.

    Shapes: grad_y (..., D), y (..., D) -> grad_x (..., D).

    Raises:
        ShapeError: grad_y has not the shape of y.
        TypeError: they are not both float32 or both float64.
    """
    require_float("softmax", grad_y, y)
    require_shape("softmax grad_y", grad_y, "the shape of y", y.shape)
    return kernel(Backend, y).backward(grad_y, y)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.softmax import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
