"""The mean squared error on the GPU: a sum in two steps."""

from __future__ import annotations

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import Source, c_type, contiguous, empty, of_each_type
from minisd_kernels.cuda.sums import empty_parts

MEAN_SQUARED_ERROR = Source(
    __file__,
    "mean_squared_error.cu",
    of_each_type("mean_squared_error_parts", "mean_squared_error_forward", "mean_squared_error_backward"),
)


def forward(a: Array, b: Array) -> Array:
    a, b, of = contiguous(a), contiguous(b), c_type(a)
    parts, loss = empty_parts(a), empty((), a)
    MEAN_SQUARED_ERROR.launch(f"mean_squared_error_parts<{of}>", parts.size, 256, a, b, parts, a.size)
    MEAN_SQUARED_ERROR.launch(f"mean_squared_error_forward<{of}>", 1, 256, parts, loss, parts.size, a.size)
    return loss


def backward(grad_y: Array, a: Array, b: Array) -> Array:
    a, b, grad_a = contiguous(a), contiguous(b), empty(a.shape, a)
    MEAN_SQUARED_ERROR.launch(
        f"mean_squared_error_backward<{c_type(a)}>", *four_a_thread(a.size), grad_y, a, b, grad_a, a.size
    )
    return grad_a
