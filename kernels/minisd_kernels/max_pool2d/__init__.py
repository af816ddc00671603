"""Max pooling: the largest number of every window, channel by channel.

    y[b, p, q, c] = max over i < kh, j < kw of x[b, p sh - ph + i, q sw - pw + j, c]
    grad_x[b, h, w, c] = sum of grad_y[b, p, q, c] over the windows whose maximum stands at (h, w)

Outside the image x is -inf. Among equal numbers the first in row-major order is the maximum, so every window passes its
gradient to one place: argmax = i kw + j. The sizes are a convolution's (Dumoulin & Visin 2016, relation 15):

    P = floor((H + 2 ph - kh) / sh) + 1,    Q = floor((W + 2 pw - kw) / sw) + 1

Shapes: x (B, H, W, C) -> y (B, P, Q, C), argmax (B, P, Q, C), of the smallest unsigned type.

>>> import numpy as np
>>> y, argmax = forward(np.array([[1.0, 7.0], [7.0, 3.0]]).reshape(1, 2, 2, 1), window=2)
>>> y.ravel().tolist(), argmax.ravel().tolist()
([7.0], [1])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minisd_kernels.arguments import Array, Pair, pair, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError, window_output_size

Shape = tuple[int, int, int, int]


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, x: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]: ...

    def backward(
        self,
        grad_y: Array,
        argmax: Array,
        x_shape: Shape,
        window: Pair,
        stride: Pair,
        padding: Pair,
    ) -> Array: ...


def place_type(window: Pair) -> Any:
    """The smallest type for a place in the window."""
    return np.min_scalar_type(window[0] * window[1] - 1)


def forward(
    x: Array,
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> tuple[Array, Array]:
    """The maximum of every window, and where in the window it stands.

    Shapes: x (B, H, W, C) -> y (B, P, Q, C), argmax (B, P, Q, C) in 0..kh kw - 1, uint8 if that fits. The
    stride is the window's size when not given.

    Raises:
        ShapeError: x is not (B, H, W, C), the window does not fit, or the padding is not smaller than the window.
        TypeError: x is neither float32 nor float64.
    """
    require_float("max_pool2d", x)
    require_shape("max_pool2d x", x, "(B, H, W, C)", (None,) * 4)
    (kh, kw), (sh, sw), (ph, pw) = _geometry(window, stride, padding)
    _, H, W, _ = x.shape
    size = window_output_size(H, kh, sh, ph), window_output_size(W, kw, sw, pw)
    return kernel(Backend, x).forward(x, size, (kh, kw), (sh, sw), (ph, pw))


def backward(
    grad_y: Array,
    argmax: Array,
    *,
    x_shape: Sequence[int],
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Array:
    """The gradient in x: each window's gradient goes to the place of its maximum.

    Shapes: grad_y (B, P, Q, C), argmax (B, P, Q, C) as forward returned it, x_shape (B, H, W, C)
        -> grad_x (B, H, W, C).

    Raises:
        ShapeError: grad_y or argmax have not the shape that forward gives for x_shape.
        TypeError: grad_y is neither float32 nor float64.
    """
    require_float("max_pool2d", grad_y)
    (kh, kw), (sh, sw), (ph, pw) = _geometry(window, stride, padding)
    B, H, W, C = x_shape
    y_shape = B, window_output_size(H, kh, sh, ph), window_output_size(W, kw, sw, pw), C
    require_shape("max_pool2d grad_y", grad_y, "(B, P, Q, C)", y_shape)
    require_shape("max_pool2d argmax", argmax, "(B, P, Q, C)", y_shape)
    return kernel(Backend, grad_y).backward(grad_y, argmax, (B, H, W, C), (kh, kw), (sh, sw), (ph, pw))


def _geometry(
    window: int | Sequence[int], stride: int | Sequence[int] | None, padding: int | Sequence[int]
) -> tuple[Pair, Pair, Pair]:
    window = pair(window, "max_pool2d window")
    stride = window if stride is None else pair(stride, "max_pool2d stride")
    padding = pair(padding, "max_pool2d padding", minimum=0)
    if padding[0] >= window[0] or padding[1] >= window[1]:
        raise ShapeError(
            f"max_pool2d: padding {padding} must be smaller than the window {window}, or a window would hold padding "
            "alone, which has no maximum"
        )
    return window, stride, padding


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.max_pool2d import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
