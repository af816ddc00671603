"""ReLU in NumPy: the equation."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def forward(x: Array) -> Array:
    return np.maximum(x, 0)


def backward(grad_y: Array, y: Array) -> Array:
    return np.where(y > 0, grad_y, 0)
