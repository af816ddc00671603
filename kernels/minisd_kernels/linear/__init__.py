"""Linear layer: every row of x times one matrix.

    y[n, o] = bias[o] + sum_c x[n, c] weight[c, o]

Shapes: x (N, C), weight (C, O), bias (O,) -> y (N, O). A 1 x 1 convolution is the same sum over pixels.

>>> import numpy as np
>>> forward(np.ones((2, 3)), np.ones((3, 4)), np.zeros(4)).tolist()
[[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array, weight: Array, bias: Array | None) -> Array: ...

    def backward(self, grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]: ...


def forward(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """y = x weight + bias.

    Shapes: x (N, C), weight (C, O), bias (O,) -> y (N, O).

    Raises:
        ShapeError: the shapes do not fit.
        TypeError: the arrays are not all float32 or all float64.
    """
    require_float("linear", x, weight, bias)
    require_shape("linear x", x, "(N, C)", (None, None))
    require_shape("linear weight", weight, "(C, O)", (x.shape[1], None))
    if bias is not None:
        require_shape("linear bias", bias, "(O,)", (weight.shape[1],))
    return kernel(Backend, x).forward(x, weight, bias)


def backward(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """The gradients in x, weight and bias: grad_y weight^T, x^T grad_y, and the sum of grad_y's rows.

    Shapes: grad_y (N, O), x (N, C), weight (C, O) -> grad_x (N, C), grad_weight (C, O), grad_bias (O,).

    Raises: as forward.
    """
    require_float("linear", grad_y, x, weight)
    require_shape("linear x", x, "(N, C)", (None, None))
    require_shape("linear weight", weight, "(C, O)", (x.shape[1], None))
    require_shape("linear grad_y", grad_y, "(N, O)", (x.shape[0], weight.shape[1]))
    return kernel(Backend, x).backward(grad_y, x, weight)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.linear import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
