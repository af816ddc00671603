"""The sum of two arrays of one shape: what a residual connection is, and what two gradients of one tensor become.

    y = a + b

Shapes: a, b and y the same.

>>> import numpy as np
>>> forward(np.ones(2), np.array([1.0, 2.0])).tolist()
[2.0, 3.0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, a: Array, b: Array) -> Array: ...


def forward(a: Array, b: Array) -> Array:
    """a + b.

    Shapes: a, b (...) -> y (...).

    Raises:
        ShapeError: the shapes are not the same.
        TypeError: the arrays are not both float32 or both float64.
    """
    require_float("add", a, b)
    require_shape("add b", b, "the shape of a", a.shape)
    return kernel(Backend, a).forward(a, b)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.add import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
