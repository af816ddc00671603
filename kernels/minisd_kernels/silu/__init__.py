"""SiLU, element by element (Elfwing et al. 2018).

    y = x sigmoid(x),    sigmoid(x) = 1 / (1 + e^-x)
    dy/dx = sigmoid(x) (1 + x (1 - sigmoid(x)))

Shapes: x (...) -> y (...).

>>> import numpy as np
>>> forward(np.array([-1e4, 0.0, 1e4])).tolist()
[-0.0, 0.0, 10000.0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array) -> Array: ...

    def backward(self, grad_y: Array, x: Array) -> Array: ...


def forward(x: Array) -> Array:
    """y = x sigmoid(x).

    Shapes: x (...) -> y (...).

    Raises:
        TypeError: x is neither float32 nor float64.
    """
    require_float("silu", x)
    return kernel(Backend, x).forward(x)


def backward(grad_y: Array, x: Array) -> Array:
    """The gradient grad_y dy/dx.

    Shapes: grad_y (...), x (...) -> grad_x (...).

    Raises:
        ShapeError: grad_y has not the shape of x.
        TypeError: they are not both float32 or both float64.
    """
    require_float("silu", grad_y, x)
    require_shape("silu grad_y", grad_y, "the shape of x", x.shape)
    return kernel(Backend, x).backward(grad_y, x)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.silu import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
