"""SiLU, element by element (Elfwing et al. 2018), and with a slope Swish (Ramachandran et al. 2017).

    y = x sigmoid(slope x),    sigmoid(z) = 1 / (1 + e^-z)
    dy/dx = s (1 + slope x (1 - s)),    s = sigmoid(slope x)

SiLU has slope 1. With 1.702 it is GELU's sigmoid form (Hendrycks & Gimpel 2016, section 2), CLIP's "quick GELU".

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

    def forward(self, x: Array, slope: float) -> Array: ...

    def backward(self, grad_y: Array, x: Array, slope: float) -> Array: ...


def forward(x: Array, *, slope: float = 1.0) -> Array:
    """y = x sigmoid(slope x).

    Shapes: x (...) -> y (...).

    Raises:
        TypeError: x is neither float32 nor float64.
    """
    require_float("silu", x)
    return kernel(Backend, x).forward(x, slope)


def backward(grad_y: Array, x: Array, *, slope: float = 1.0) -> Array:
    """The gradient grad_y dy/dx.

    Shapes: grad_y (...), x (...) -> grad_x (...).

    Raises:
        ShapeError: grad_y has not the shape of x.
        TypeError: they are not both float32 or both float64.
    """
    require_float("silu", grad_y, x)
    require_shape("silu grad_y", grad_y, "the shape of x", x.shape)
    return kernel(Backend, x).backward(grad_y, x, slope)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.silu import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
