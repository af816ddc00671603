"""SiLU, element by element (Elfwing et al. 2018).

    y = x sigmoid(x),    sigmoid(x) = 1 / (1 + e^-x)
    dy/dx = sigmoid(x) (1 + x (1 - sigmoid(x)))

Shapes: x (...) -> y (...).

>>> import numpy as np
>>> forward(np.array([-1e4, 0.0, 1e4])).tolist()
[-0.0, 0.0, 10000.0]
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.arguments import require_float, require_shape
from minisd_kernels.backends import kernel


def forward(x: Any) -> Any:
    """y = x sigmoid(x).

    Shapes: x (...) -> y (...).

    Raises:
        TypeError: x is neither float32 nor float64.
    """
    require_float("silu.forward", x)
    return kernel(__name__, x).forward(x)


def backward(grad_y: Any, x: Any) -> Any:
    """The gradient grad_y dy/dx.

    Shapes: grad_y (...), x (...) -> grad_x (...).

    Raises:
        ShapeError: grad_y has not the shape of x.
        TypeError: they are not both float32 or both float64.
    """
    require_float("silu.backward", grad_y, x)
    require_shape("silu.backward grad_y", grad_y, "the shape of x", x.shape)
    return kernel(__name__, x).backward(grad_y, x)
