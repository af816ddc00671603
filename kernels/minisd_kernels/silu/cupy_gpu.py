"""SiLU on the GPU: a thread takes four elements."""

from __future__ import annotations

from typing import Any

from minisd_kernels.cuda.source import Source, blocks, c_type, contiguous, empty, of_each_type

SILU = Source(__file__, "silu.cu", of_each_type("silu_forward", "silu_backward"))


def forward(x: Any) -> Any:
    x, y = contiguous(x), empty(x.shape, x)
    SILU.launch(f"silu_forward<{c_type(x)}>", blocks(x.size, 4 * 256), 256, x, y, x.size)
    return y


def backward(grad_y: Any, x: Any) -> Any:
    grad_y, x, grad_x = contiguous(grad_y), contiguous(x), empty(x.shape, x)
    SILU.launch(f"silu_backward<{c_type(x)}>", blocks(x.size, 4 * 256), 256, grad_y, x, grad_x, x.size)
    return grad_x
