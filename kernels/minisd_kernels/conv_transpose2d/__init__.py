"""Two-dimensional transposed convolution ("up-convolution"): the adjoint of a convolution.

A convolution with stride s gathers a window into one pixel; its adjoint spreads one pixel over a window:

    y[b, h sh - ph + i dh, w sw - pw + j dw, o] += sum_c x[b, h, w, c] weight[i, j, c, o]
    P = sh (H - 1) + dh (kh - 1) + 1 - 2 ph + output padding,    Q likewise

starting from y = bias (Dumoulin & Visin 2016, section 4). It is no inverse: it restores the size, not the values.

Shapes: x (B, H, W, C), weight (kh, kw, C, O), bias (O,) -> y (B, P, Q, O). The output padding, less than the larger of
stride and dilation, adds rows at the end. Padding may be ((top, bottom), (left, right)), as for conv2d: it is what is
taken away.

The convolution that this one is the adjoint of maps (P, Q, O) to (H, W, C): its weight is ours with the last two axes
exchanged, its input gradient is our forward, and its forward is our input gradient. So every backend is the three sums
of its convolution.

>>> import numpy as np
>>> forward(np.ones((1, 1, 2, 1)), np.ones((2, 2, 1, 1)), stride=2)[0, :, :, 0].tolist()
[[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, Padding, Pair, Sides, geometry, pair, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError, transposed_output_size


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(
        self, x: Array, weight: Array, bias: Array | None, size: Pair, stride: Pair, padding: Sides, dilation: Pair
    ) -> Array: ...

    def backward(
        self, grad_y: Array, x: Array, weight: Array, stride: Pair, padding: Sides, dilation: Pair
    ) -> tuple[Array, Array, Array]: ...


def output_size(
    size: Sequence[int],
    window: Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    output_padding: int | Sequence[int] = 0,
) -> Pair:
    """Height and width of the output.

    >>> output_size((28, 28), (2, 2), stride=2)
    (56, 56)
    """
    s, p, d = geometry("conv_transpose2d", stride, padding, dilation)
    a = pair(output_padding, "conv_transpose2d output padding", 0)
    return (
        transposed_output_size(size[0], window[0], s[0], p[0], d[0], a[0]),
        transposed_output_size(size[1], window[1], s[1], p[1], d[1], a[1]),
    )


def forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
    output_padding: int | Sequence[int] = 0,
) -> Array:
    """Spread every pixel of x over its window.

    Shapes: x (B, H, W, C), weight (kh, kw, C, O), bias (O,) -> y (B, P, Q, O).

    Raises:
        ShapeError: the shapes do not fit, or the padding leaves nothing.
        TypeError: the arrays are not all float32 or all float64.
    """
    require_float("conv_transpose2d", x, weight, bias)
    require_shape("conv_transpose2d x", x, "(B, H, W, C)", (None,) * 4)
    require_shape("conv_transpose2d weight", weight, "(kh, kw, C, O)", (None, None, x.shape[3], None))
    if bias is not None:
        require_shape("conv_transpose2d bias", bias, "(O,)", (weight.shape[3],))
    s, p, d = geometry("conv_transpose2d", stride, padding, dilation)
    size = output_size(x.shape[1:3], weight.shape[:2], stride=s, padding=p, dilation=d, output_padding=output_padding)
    return kernel(Backend, x).forward(x, weight, bias, size, s, p, d)


def backward(
    grad_y: Array,
    x: Array,
    weight: Array,
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
) -> tuple[Array, Array, Array]:
    """The gradients in x, weight and bias; the one in x is a convolution of grad_y.

    Shapes: grad_y (B, P, Q, O), x (B, H, W, C), weight (kh, kw, C, O)
        -> grad_x (B, H, W, C), grad_weight (kh, kw, C, O), grad_bias (O,).

    Raises: as forward.
    """
    require_float("conv_transpose2d", grad_y, x, weight)
    require_shape("conv_transpose2d x", x, "(B, H, W, C)", (None,) * 4)
    require_shape("conv_transpose2d weight", weight, "(kh, kw, C, O)", (None, None, x.shape[3], None))
    require_shape("conv_transpose2d grad_y", grad_y, "(B, P, Q, O)", (x.shape[0], None, None, weight.shape[3]))
    s, p, d = geometry("conv_transpose2d", stride, padding, dilation)
    extra = max(s[0], d[0]) - 1, max(s[1], d[1]) - 1
    largest = output_size(x.shape[1:3], weight.shape[:2], stride=s, padding=p, dilation=d, output_padding=extra)
    if not all(0 <= largest[axis] - grad_y.shape[1 + axis] <= extra[axis] for axis in (0, 1)):
        smallest = largest[0] - extra[0], largest[1] - extra[1]
        raise ShapeError(
            f"conv_transpose2d grad_y: wanted (P, Q) = {smallest} + output padding, got {tuple(grad_y.shape[1:3])}"
        )
    return kernel(Backend, x).backward(grad_y, x, weight, s, p, d)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.conv_transpose2d import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
