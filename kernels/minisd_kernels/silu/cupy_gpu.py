"""SiLU on the GPU: a thread takes four elements."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.elementwise import four_a_thread
from minisd_kernels.cuda.source import Source, c_type, contiguous, empty, of_each_type

SILU = Source(__file__, "silu.cu", of_each_type("silu_forward", "silu_backward"))


def forward(x: Array, slope: float) -> Array:
    x, y = contiguous(x), empty(x.shape, x)
    SILU.launch(f"silu_forward<{c_type(x)}>", *four_a_thread(x.size), x, y, x.size, np.float64(slope))
    return y


def backward(grad_y: Array, x: Array, slope: float) -> Array:
    grad_y, x, grad_x = contiguous(grad_y), contiguous(x), empty(x.shape, x)
    kernel = f"silu_backward<{c_type(x)}>"
    SILU.launch(kernel, *four_a_thread(x.size), grad_y, x, grad_x, x.size, np.float64(slope))
    return grad_x
