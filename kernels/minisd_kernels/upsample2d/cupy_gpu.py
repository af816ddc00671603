"""Nearest-neighbour upsampling on the GPU: a block works in a row of pixels, a thread takes one channel or four."""

from __future__ import annotations

from minisd_kernels.arguments import Array, Pair
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.picture_rows import row_blocks
from minisd_kernels.cuda.source import OLDEST, Source, c_type, contiguous, empty, of_each_type

UPSAMPLE2D = Source(
    __file__,
    "upsample2d.cu",
    of_each_type("upsample2d_forward", "upsample2d_backward")
    | {"upsample2d_forward_fours": OLDEST, "upsample2d_backward_fours": OLDEST},
)


def forward(x: Array, scale: Pair) -> Array:
    x = contiguous(x)
    B, H, W, C = x.shape
    sh, sw = scale
    y = empty((B, H * sh, W * sw, C), x)
    if fits_float4(x):
        UPSAMPLE2D.launch("upsample2d_forward_fours", *row_blocks(B * H, W * C // 4), x, y, W, C // 4, sh, sw)
    else:
        kernel = f"upsample2d_forward<{c_type(x)}>"
        UPSAMPLE2D.launch(kernel, *row_blocks(B * H * sh, W * sw * C), x, y, H, W, C, sh, sw)
    return y


def backward(grad_y: Array, scale: Pair) -> Array:
    grad_y = contiguous(grad_y)
    sh, sw = scale
    B, H, W, C = grad_y.shape[0], grad_y.shape[1] // sh, grad_y.shape[2] // sw, grad_y.shape[3]
    grad_x = empty((B, H, W, C), grad_y)
    if fits_float4(grad_y):
        sizes = W, C // 4, sh, sw
        UPSAMPLE2D.launch("upsample2d_backward_fours", *row_blocks(B * H, W * C // 4), grad_y, grad_x, *sizes)
    else:
        kernel = f"upsample2d_backward<{c_type(grad_y)}>"
        UPSAMPLE2D.launch(kernel, *row_blocks(B * H, W * C), grad_y, grad_x, W, C, sh, sw)
    return grad_x
