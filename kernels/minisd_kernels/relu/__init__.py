"""ReLU, element by element (Nair & Hinton 2010).

    y = max(x, 0)
    dy/dx = 1 where x > 0, else 0

At 0 there is a kink and every slope from 0 to 1 is a subgradient; 0 is taken. y > 0 exactly where x > 0, so the
gradient is read off the output and the input need not be kept. NaN stays NaN in y.

Shapes: x (...) -> y (...).

>>> import numpy as np
>>> y = forward(np.array([-2.0, 0.0, 3.0]))
>>> y.tolist(), backward(np.full(3, 5.0), y).tolist()
([0.0, 0.0, 3.0], [0.0, 0.0, 5.0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array) -> Array: ...

    def backward(self, grad_y: Array, y: Array) -> Array: ...


def forward(x: Array) -> Array:
    """y = max(x, 0).

    Shapes: x (...) -> y (...).

    Raises:
        TypeError: x is neither float32 nor float64.
    """
    require_float("relu", x)
    return kernel(Backend, x).forward(x)


def backward(grad_y: Array, y: Array) -> Array:
    """The gradient in x, from the output y: grad_y where y > 0.

    Shapes: grad_y (...), y (...) -> grad_x (...).

    Raises:
        ShapeError: grad_y has not the shape of y.
        TypeError: they are not both float32 or both float64.
    """
    require_float("relu", grad_y, y)
    require_shape("relu grad_y", grad_y, "the shape of y", y.shape)
    return kernel(Backend, y).backward(grad_y, y)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.relu import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
