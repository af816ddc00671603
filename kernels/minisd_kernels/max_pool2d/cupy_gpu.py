"""Max pooling on the GPU: a block works in a row of pixels, a thread takes one channel or four."""

from __future__ import annotations

from minisd_kernels.arguments import Array, Pair
from minisd_kernels.cuda.float4 import fits_float4
from minisd_kernels.cuda.picture_rows import row_blocks
from minisd_kernels.cuda.source import OLDEST, Source, c_type, contiguous, empty
from minisd_kernels.max_pool2d import Shape, place_type

_PLACES = {1: "unsigned char", 2: "unsigned short", 4: "unsigned int"}  # by the bytes of argmax
_PLAIN = [
    f"max_pool2d_{way}<{of}, {place}>"
    for way in ("forward", "backward")
    for of in ("float", "double")
    for place in _PLACES.values()
]
MAX_POOL2D = Source(
    __file__, "max_pool2d.cu", dict.fromkeys([*_PLAIN, "max_pool2d_forward_fours", "max_pool2d_backward_fours"], OLDEST)
)


def forward(x: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    x = contiguous(x)
    B, H, W, C = x.shape
    y = empty((B, *size, C), x)
    argmax = empty(y.shape, x, place_type(window))
    if _apart(window, stride, padding, argmax) and fits_float4(x):
        sizes: tuple[int, ...] = H, W, C // 4, *window, *size
        MAX_POOL2D.launch("max_pool2d_forward_fours", *row_blocks(B * size[0], size[1] * C // 4), x, y, argmax, *sizes)
    else:
        sizes = H, W, C, *window, *stride, *padding, *size
        MAX_POOL2D.launch(_plain("forward", x, argmax), *row_blocks(B * size[0], size[1] * C), x, y, argmax, *sizes)
    return y, argmax


def backward(grad_y: Array, argmax: Array, x_shape: Shape, window: Pair, stride: Pair, padding: Pair) -> Array:
    grad_y, argmax = contiguous(grad_y), contiguous(argmax)
    B, H, W, C = x_shape
    size = grad_y.shape[1:3]
    grad_x = empty(x_shape, grad_y)
    if _apart(window, stride, padding, argmax) and fits_float4(grad_y):
        rows, columns = -(-H // window[0]), -(-W // window[1])
        sizes: tuple[int, ...] = H, W, C // 4, *window, *size
        launch = row_blocks(B * rows, columns * C // 4)
        MAX_POOL2D.launch("max_pool2d_backward_fours", *launch, grad_y, argmax, grad_x, *sizes)
    else:
        sizes = H, W, C, *window, *stride, *padding, *size
        launch = row_blocks(B * H, W * C)
        MAX_POOL2D.launch(_plain("backward", grad_y, argmax), *launch, grad_y, argmax, grad_x, *sizes)
    return grad_x


def _apart(window: Pair, stride: Pair, padding: Pair, argmax: Array) -> bool:
    """Whether the windows lie side by side inside the picture, and a place in one fits a byte."""
    return stride == window and padding == (0, 0) and argmax.dtype.itemsize == 1


def _plain(way: str, x: Array, argmax: Array) -> str:
    return f"max_pool2d_{way}<{c_type(x)}, {_PLACES[argmax.dtype.itemsize]}>"
