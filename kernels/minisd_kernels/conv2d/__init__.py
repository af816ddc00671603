"""Two-dimensional convolution (cross-correlation, as every framework means it).

    y[b, p, q, o] = bias[o] + sum_{i,j,c} x[b, p sh - ph + i dh, q sw - pw + j dw, c] weight[i, j, c, o]
    P = floor((H + 2 ph - dh (kh - 1) - 1) / sh) + 1,    Q = floor((W + 2 pw - dw (kw - 1) - 1) / sw) + 1

with x = 0 outside the picture (Dumoulin & Visin 2016, section 2 and relation 15). The window slides over two axes,
height and width, and spans all C channels: that is why it is called two-dimensional.

Shapes: x (B, H, W, C), weight (kh, kw, C, O), bias (O,) -> y (B, P, Q, O). Stride (sh, sw), padding (ph, pw) and
dilation (dh, dw) are ints or (vertical, horizontal) pairs; padding may be ((top, bottom), (left, right)), too: then ph
is its top, pw its left, and 2 ph or 2 pw the sum of both sides.

>>> import numpy as np
>>> forward(np.ones((1, 4, 5, 1)), np.ones((3, 3, 1, 2)), stride=(1, 2))[0, :, :, 0].tolist()
[[9.0, 9.0], [9.0, 9.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, Padding, Pair, Sides, geometry, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import window_output_size


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(
        self, x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
    ) -> Array: ...

    def input_gradient(
        self, grad_y: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
    ) -> Array: ...

    def weight_gradient(
        self, grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
    ) -> tuple[Array, Array]: ...


def output_size(
    size: Sequence[int],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
) -> Pair:
    """Height and width of the output.

    >>> output_size((572, 572), (3, 3))
    (570, 570)
    """
    s, p, d = geometry("conv2d", stride, padding, dilation)
    return (
        window_output_size(size[0], window[0], s[0], p[0], d[0]),
        window_output_size(size[1], window[1], s[1], p[1], d[1]),
    )


def forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Slide the window over x.

    Shapes: x (B, H, W, C), weight (kh, kw, C, O), bias (O,) -> y (B, P, Q, O).

    Raises:
        ShapeError: the shapes do not fit, or the window is larger than the padded picture.
        TypeError: the arrays are not all float32 or all float64.
    """
    require_float("conv2d", x, weight, bias)
    require_shape("conv2d x", x, "(B, H, W, C)", (None,) * 4)
    require_shape("conv2d weight", weight, "(kh, kw, C, O)", (None, None, x.shape[3], None))
    if bias is not None:
        require_shape("conv2d bias", bias, "(O,)", (weight.shape[3],))
    s, p, d = geometry("conv2d", stride, padding, dilation)
    size = output_size(x.shape[1:3], weight.shape[:2], stride=s, padding=p, dilation=d)
    return kernel(Backend, x).forward(x, weight, bias, size, s, p, d)


def backward(
    grad_y: Array,
    x: Array,
    weight: Array,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    need_input: bool = True,
    need_weight: bool = True,
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients in x, weight and bias; the first is None unless `need_input`, the others unless `need_weight`.

    For x, every output pixel hands its gradient back to the pixels of its window; for weight, every window is
    multiplied with its output pixel's gradient.

    Shapes: grad_y (B, P, Q, O), x (B, H, W, C), weight (kh, kw, C, O)
        -> grad_x (B, H, W, C), grad_weight (kh, kw, C, O), grad_bias (O,).

    Raises: as forward.
    """
    require_float("conv2d", grad_y, x, weight)
    require_shape("conv2d x", x, "(B, H, W, C)", (None,) * 4)
    require_shape("conv2d weight", weight, "(kh, kw, C, O)", (None, None, x.shape[3], None))
    s, p, d = geometry("conv2d", stride, padding, dilation)
    size = output_size(x.shape[1:3], weight.shape[:2], stride=s, padding=p, dilation=d)
    require_shape("conv2d grad_y", grad_y, "(B, P, Q, O)", (x.shape[0], *size, weight.shape[3]))
    run = kernel(Backend, x)
    grad_x = run.input_gradient(grad_y, weight, None, x.shape[1:3], s, p, d) if need_input else None
    return grad_x, *(run.weight_gradient(grad_y, x, weight.shape[:2], s, p, d) if need_weight else (None, None))


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.conv2d import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
