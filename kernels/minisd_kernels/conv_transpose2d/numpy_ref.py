"""Transposed convolution in NumPy: the three sums of the convolution, with input and output exchanged."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.conv2d import numpy_ref as conv2d


def forward(
    x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    return conv2d.input_gradient(x, weight.swapaxes(2, 3), bias, size, stride, padding, dilation)


def backward(
    grad_y: Array, x: Array, weight: Array, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array, Array]:
    size = (x.shape[1], x.shape[2])
    grad_x = conv2d.forward(grad_y, weight.swapaxes(2, 3), None, size, stride, padding, dilation)
    grad_weight, _ = conv2d.weight_gradient(x, grad_y, weight.shape[:2], stride, padding, dilation)
    return grad_x, grad_weight.swapaxes(2, 3), np.asarray(grad_y.sum(axis=(0, 1, 2)))
