"""The sum of two arrays of one shape: what a residual connection is, and what two gradients of one tensor become.

    y = a + b

Shapes: a, b and y the same.

>>> import numpy as np
>>> forward(np.ones(2), np.array([1.0, 2.0])).tolist()
[2.0, 3.0]
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.arguments import require_float, require_shape
from minisd_kernels.backends import kernel


def forward(a: Any, b: Any) -> Any:
    """a + b.

    Raises:
        ShapeError: the shapes are not the same.
        TypeError: the arrays are not both float32 or both float64.
    """
    require_float("add", a, b)
    require_shape("add b", b, "the shape of a", a.shape)
    return kernel(__name__, a).forward(a, b)


def into(total: Any, part: Any) -> None:
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
    require_float("add.into", total, part)
    require_shape("add.into part", part, "the shape of total", total.shape)
    if not total.flags.c_contiguous:
        raise ValueError("add.into total: a strided view cannot be updated in place; pass the contiguous buffer")
    kernel(__name__, total).into(total, part)
