"""Softmax over the last axis (Bridle 1990).

    y_j = e^(x_j - max x) / sum_k e^(x_k - max x)
    grad_x_j = y_j (grad_y_j - sum_k grad_y_k y_k)

Subtracting the maximum changes nothing in the quotient and keeps every exponential in [0, 1].

Shapes: x (..., N) -> y (..., N); every row sums to 1.

>>> import numpy as np
>>> forward(np.array([[0.0, 0.0], [-1e4, 1e4]])).tolist()
[[0.5, 0.5], [0.0, 1.0]]
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.arguments import require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


def forward(x: Any) -> Any:
    """The rows of x as probabilities.

    Shapes: x (..., N) -> y (..., N).

    Raises:
        ShapeError: x has no axis, or its last axis is empty.
        TypeError: x is neither float32 nor float64.
    """
    require_float("softmax.forward", x)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ShapeError(f"softmax.forward x: wanted shape (..., N) with N >= 1, got {tuple(x.shape)}")
    return kernel(__name__, x).forward(x)


def backward(grad_y: Any, y: Any) -> Any:
    """The gradient in x, from the output y.

    Shapes: grad_y (..., N), y (..., N) -> grad_x (..., N).

    Raises:
        ShapeError: grad_y has not the shape of y.
        TypeError: they are not both float32 or both float64.
    """
    require_float("softmax.backward", grad_y, y)
    require_shape("softmax.backward grad_y", grad_y, "the shape of y", y.shape)
    return kernel(__name__, y).backward(grad_y, y)
