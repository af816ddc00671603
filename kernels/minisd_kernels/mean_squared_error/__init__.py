"""The mean squared error: how far two arrays of one shape are apart, as one number.

    loss = 1/n sum_i (a_i - b_i)^2
    dloss/da_i = 2/n (a_i - b_i),    dloss/db_i = 2/n (b_i - a_i)

The loss stays the same if a and b change places, so the gradient in b is backward(grad_y, b, a).

Shapes: a, b (...) -> loss ().

>>> import numpy as np
>>> a, b = np.array([1.0, 2.0]), np.array([1.0, 5.0])
>>> forward(a, b).item(), backward(np.array(1.0), a, b).tolist()
(4.5, [0.0, -3.0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, a: Array, b: Array) -> Array: ...

    def backward(self, grad_y: Array, a: Array, b: Array) -> Array: ...


def forward(a: Array, b: Array) -> Array:
    """The mean of (a - b)^2 over all elements, squares of their own type added in float64.

    Shapes: a, b (...) -> loss (), an array without axes.

    Raises:
        ShapeError: the shapes differ (broadcasting here would hide a mistake), or there are no elements.
        TypeError: the arrays are not both float32 or both float64.
    """
    _require(a, b)
    return kernel(Backend, a).forward(a, b)


def backward(grad_y: Array, a: Array, b: Array) -> Array:
    """The gradient in a: grad_y 2/n (a - b).

    Shapes: grad_y (), a, b (...) -> grad_a (...).

    Raises:
        ShapeError: grad_y has an axis, or the other shapes differ.
        TypeError: the arrays are not all float32 or all float64.
    """
    _require(a, b)
    require_shape("mean_squared_error grad_y", grad_y, "()", ())
    require_float("mean_squared_error", grad_y, a)
    return kernel(Backend, a).backward(grad_y, a, b)


def _require(a: Array, b: Array) -> None:
    if a.shape != b.shape:
        raise ShapeError(f"mean_squared_error: wanted equal shapes, got {tuple(a.shape)} and {tuple(b.shape)}")
    if a.size == 0:
        raise ShapeError(f"mean_squared_error: an array of shape {tuple(a.shape)} has no elements to take a mean of")
    require_float("mean_squared_error", a, b)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.mean_squared_error import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
