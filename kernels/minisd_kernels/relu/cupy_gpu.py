"""ReLU on the GPU: a thread takes four elements."""

from __future__ import annotations

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import Source, c_type, contiguous, empty, of_each_type

RELU = Source(__file__, "relu.cu", of_each_type("relu_forward", "relu_backward"))


def forward(x: Array) -> Array:
    x, y = contiguous(x), empty(x.shape, x)
    RELU.launch(f"relu_forward<{c_type(x)}>", *four_a_thread(x.size), x, y, x.size)
    return y


def backward(grad_y: Array, y: Array) -> Array:
    grad_y, y, grad_x = contiguous(grad_y), contiguous(y), empty(y.shape, y)
    RELU.launch(f"relu_backward<{c_type(y)}>", *four_a_thread(y.size), grad_y, y, grad_x, y.size)
    return grad_x
