"""SiLU in NumPy: the equation."""

from __future__ import annotations

from typing import Any

import numpy as np


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # e^-x may be infinite: 1 / (1 + inf) is the right 0
        return 1 / (1 + np.exp(-x))


def forward(x: Any) -> Any:
    return x * _sigmoid(x)


def backward(grad_y: Any, x: Any) -> Any:
    s = _sigmoid(x)
    return grad_y * s * (1 + x * (1 - s))
