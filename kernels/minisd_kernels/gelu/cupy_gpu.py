"""GELU on the GPU: a thread takes four elements."""

from __future__ import annotations

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import Source, c_type, contiguous, empty, of_each_type

GELU = Source(
    __file__,
    "gelu.cu",
    of_each_type("gelu_tanh_forward", "gelu_tanh_backward", "gelu_exact_forward", "gelu_exact_backward"),
)


def forward(x: Array, exact: bool) -> Array:
    x, y = contiguous(x), empty(x.shape, x)
    GELU.launch(f"gelu_{_form(exact)}_forward<{c_type(x)}>", *four_a_thread(x.size), x, y, x.size)
    return y


def backward(grad_y: Array, x: Array, exact: bool) -> Array:
    grad_y, x, grad_x = contiguous(grad_y), contiguous(x), empty(x.shape, x)
    kernel = f"gelu_{_form(exact)}_backward<{c_type(x)}>"
    GELU.launch(kernel, *four_a_thread(x.size), grad_y, x, grad_x, x.size)
    return grad_x


def _form(exact: bool) -> str:
    return "exact" if exact else "tanh"
