"""GELU, element by element (Hendrycks & Gimpel 2016, section 2): x times the chance that a normal number is below it.

    exact:      y = x Phi(x),    Phi(x) = (1 + erf(x / sqrt 2)) / 2
    tanh form:  y = x/2 (1 + tanh u),    u = sqrt(2 / pi) (x + 0.044715 x^3)

Since (1 + tanh u) / 2 = sigmoid(2u), the tanh form is y = x sigmoid(2u), which needs one exponential and loses nothing
where tanh u is near -1. The two differ by 5e-4 at most. Their gradients:

    exact:      dy/dx = Phi(x) + x phi(x),    phi(x) = e^(-x^2 / 2) / sqrt(2 pi)
    tanh form:  dy/dx = s + x s (1 - s) d(2u)/dx,    s = sigmoid(2u),
                d(2u)/dx = 2 sqrt(2 / pi) (1 + 3 * 0.044715 x^2)

The same paper's third form, x sigmoid(1.702 x), is ``silu`` with a slope.

Shapes: x (...) -> y (...).

>>> import numpy as np
>>> x = np.array([-1e4, 0.0, 1.0, 1e4])
>>> forward(x).round(4).tolist(), forward(x, exact=True).round(4).tolist()
([-0.0, 0.0, 0.8412, 10000.0], [-0.0, 0.0, 0.8413, 10000.0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array, exact: bool) -> Array: ...

    def backward(self, grad_y: Array, x: Array, exact: bool) -> Array: ...


def forward(x: Array, *, exact: bool = False) -> Array:
    """y = x/2 (1 + tanh u), or x Phi(x).

    Shapes: x (...) -> y (...).

    Raises:
        TypeError: x is neither float32 nor float64.
    """
    require_float("gelu", x)
    return kernel(Backend, x).forward(x, exact)


def backward(grad_y: Array, x: Array, *, exact: bool = False) -> Array:
    """The gradient grad_y dy/dx.

    Shapes: grad_y (...), x (...) -> grad_x (...).

    Raises:
        ShapeError: grad_y has not the shape of x.
        TypeError: they are not both float32 or both float64.
    """
    require_float("gelu", grad_y, x)
    require_shape("gelu grad_y", grad_y, "the shape of x", x.shape)
    return kernel(Backend, x).backward(grad_y, x, exact)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.gelu import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
