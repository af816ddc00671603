"""GEGLU on the GPU: a thread an element of y."""

from __future__ import annotations

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.source import Source, blocks, c_type, contiguous, empty, of_each_type

GEGLU = Source(__file__, "geglu.cu", of_each_type("geglu_forward", "geglu_backward"))
_THREADS = 256  # of a block


def forward(x: Array) -> Array:
    N, D = x.shape[0], x.shape[1] // 2
    x, y = contiguous(x), empty((N, D), x)
    GEGLU.launch(f"geglu_forward<{c_type(x)}>", blocks(N * D, _THREADS), _THREADS, x, y, N, D)
    return y


def backward(grad_y: Array, x: Array) -> Array:
    N, D = grad_y.shape
    grad_y, x, grad_x = contiguous(grad_y), contiguous(x), empty(x.shape, x)
    GEGLU.launch(f"geglu_backward<{c_type(x)}>", blocks(N * D, _THREADS), _THREADS, grad_y, x, grad_x, N, D)
    return grad_x
