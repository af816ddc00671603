"""SiLU in NumPy: the equation."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):  # e^-x may be infinite: 1 / (1 + inf) is the right 0
        return 1 / (1 + np.exp(-x))


def forward(x: Array, slope: float) -> Array:
    return x * _sigmoid(slope * x)


def backward(grad_y: Array, x: Array, slope: float) -> Array:
    s = _sigmoid(slope * x)
    return grad_y * s * (1 + slope * x * (1 - s))
