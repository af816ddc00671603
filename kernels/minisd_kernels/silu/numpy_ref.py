"""SiLU in NumPy: the equation."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):  # e^-x may be infinite: 1 / (1 + inf) is the right 0
        return 1 / (1 + np.exp(-x))


def forward(x: Array) -> Array:
    return x * _sigmoid(x)


def backward(grad_y: Array, x: Array) -> Array:
    s = _sigmoid(x)
    return grad_y * s * (1 + x * (1 - s))
