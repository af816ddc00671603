"""Convolution in NumPy: for each tap (i, j) of the window, one product over all output pixels at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minisd_kernels.arguments import Array, Pair, Sides


def _taps(window: Pair, size: Pair, stride: Pair, dilation: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """Each tap (i, j) with the rows and columns of the padded picture that it meets."""
    for i in range(window[0]):
        for j in range(window[1]):
            top, left = i * dilation[0], j * dilation[1]
            yield (
                i,
                j,
                slice(top, top + stride[0] * (size[0] - 1) + 1, stride[0]),
                slice(left, left + stride[1] * (size[1] - 1) + 1, stride[1]),
            )


def forward(
    x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    kh, kw, _, O = weight.shape
    x_padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    y = np.zeros((x.shape[0], *size, O), x.dtype)
    for i, j, rows, columns in _taps((kh, kw), size, stride, dilation):
        y += x_padded[:, rows, columns] @ weight[i, j]
    return y if bias is None else y + bias


def input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    """Every output pixel hands its gradient back to its window; what falls on the padding is dropped."""
    (H, W), (kh, kw, C, _), ((top, bottom), (left, right)) = size, weight.shape, padding
    grad_padded = np.zeros((grad_y.shape[0], top + H + bottom, left + W + right, C), grad_y.dtype)
    for i, j, rows, columns in _taps((kh, kw), grad_y.shape[1:3], stride, dilation):
        grad_padded[:, rows, columns] += grad_y @ weight[i, j].T
    grad_x = grad_padded[:, top : top + H, left : left + W]
    return grad_x if bias is None else grad_x + bias


def weight_gradient(
    grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    """weight[i, j] met the pixels of tap (i, j): its gradient is their product with grad_y, summed over pixels."""
    x_padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    grad_weight = np.empty((*window, x.shape[3], grad_y.shape[3]), x.dtype)
    for i, j, rows, columns in _taps(window, grad_y.shape[1:3], stride, dilation):
        grad_weight[i, j] = np.tensordot(x_padded[:, rows, columns], grad_y, axes=((0, 1, 2), (0, 1, 2)))
    return grad_weight, np.asarray(grad_y.sum(axis=(0, 1, 2)))
