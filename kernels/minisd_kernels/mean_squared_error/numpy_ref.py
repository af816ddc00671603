"""The mean squared error in NumPy: the equation."""

from __future__ import annotations

from typing import Any

import numpy as np


def forward(a: Any, b: Any) -> Any:
    return np.asarray(np.square(a - b).mean(dtype=np.float64), a.dtype)


def backward(grad: Any, a: Any, b: Any) -> Any:
    return grad * (2 / a.size) * (a - b)
