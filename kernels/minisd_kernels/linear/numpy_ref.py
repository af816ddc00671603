"""Linear layer in NumPy: one matrix product."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def forward(x: Array, weight: Array, bias: Array | None) -> Array:
    y: Array = x @ weight
    return y if bias is None else y + bias


def backward(grad_y: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    return grad_y @ weight.T, x.T @ grad_y, np.asarray(grad_y.sum(axis=0))
