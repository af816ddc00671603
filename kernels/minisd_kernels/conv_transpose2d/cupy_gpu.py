"""Transposed convolution on the GPU: the three sums of the convolution, with input and output exchanged.

The convolution that this one is the adjoint of maps (H', W', O) to (H, W, C): its weight is ours with the last two
axes exchanged, its input gradient is our forward, and its forward is our input gradient.
"""

from __future__ import annotations

from typing import Any

from minisd_kernels.arguments import Pair, Sides
from minisd_kernels.conv2d import cupy_gpu as conv2d


def forward(x: Any, weight: Any, bias: Any | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Any:
    return conv2d.input_gradient(x, weight.swapaxes(2, 3), size, stride, padding, dilation, bias)


def backward(grad: Any, x: Any, weight: Any, stride: Pair, padding: Sides, dilation: Pair) -> tuple[Any, Any, Any]:
    size = (x.shape[1], x.shape[2])
    grad_x = conv2d.forward(grad, weight.swapaxes(2, 3), None, size, stride, padding, dilation)
    grad_weight, _ = conv2d.weight_gradient(x, grad, weight.shape[:2], stride, padding, dilation)
    return grad_x, grad_weight.swapaxes(2, 3), conv2d.bias_gradient(grad)
