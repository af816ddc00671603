"""Softmax in NumPy: the equation."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def forward(x: Array) -> Array:
    numerator = np.exp(x - x.max(axis=-1, keepdims=True))
    return numerator / numerator.sum(axis=-1, keepdims=True)


def backward(grad_y: Array, y: Array) -> Array:
    return y * (grad_y - (grad_y * y).sum(axis=-1, keepdims=True))
