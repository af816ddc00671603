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

    def into(self, total: Array, part: Array) -> None: ...


def forward(a: Array, b: Array) -> Array:
    """a + b.

    Raises:
        ShapeError: the shapes are not the same.
        TypeError: the arrays are not both float32 or both float64.
    """
    require_float("add", a, b)
    require_shape("add b", b, "the shape of a", a.shape)
    return kernel(Backend, a).forward(a, b)


def into(total: Array, part: Array) -> None:
    """total += part, in place.

    Raises:
        ShapeError: the shapes are not the same.
        TypeError: the arrays are not both float32 or both float64.
        ValueError: total is not contiguous.

    >>> import numpy as np
    >>> total = np.ones(2)
    >>> into(total, np.array([1.0, 2.0]))
    >>> total.tolist()
    [2.0, 3.0]
    """
    require_float("add", total, part)
    require_shape("add part", part, "the shape of total", total.shape)
    if not total.flags.c_contiguous:
        raise ValueError("add total: a strided view cannot be updated in place; pass the contiguous buffer")
    kernel(Backend, total).into(total, part)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.add import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
