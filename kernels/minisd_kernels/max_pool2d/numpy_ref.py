"""Max pooling in NumPy: the equation."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minisd_kernels.arguments import Array, Pair
from minisd_kernels.max_pool2d import Shape, place_type


def _taps(x: Array, outside: float, window: Pair, stride: Pair, padding: Pair) -> Array:
    """The numbers of every window, side by side."""
    (ph, pw), (sh, sw) = padding, stride
    padded = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)), constant_values=outside)
    windows = sliding_window_view(padded, window, axis=(1, 2))[:, ::sh, ::sw]
    return windows.reshape(*windows.shape[:4], window[0] * window[1])


def forward(x: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]:
    taps = _taps(x, -np.inf, window, stride, padding)  # (B, P, Q, C, kh kw)
    argmax = taps.argmax(axis=-1)
    y = np.take_along_axis(taps, argmax[..., None], axis=-1)[..., 0]
    # Where all is -inf, padding comes first in the window, but the maximum is a pixel.
    pixels = _taps(np.ones_like(x, bool), False, window, stride, padding)
    argmax = np.where(np.isneginf(y), (pixels & (taps == -np.inf)).argmax(axis=-1), argmax)
    return y, argmax.astype(place_type(window))


def backward(grad_y: Array, argmax: Array, x_shape: Shape, window: Pair, stride: Pair, padding: Pair) -> Array:
    (kh, kw), (sh, sw), (ph, pw) = window, stride, padding
    B, H, W, C = x_shape
    _, P, Q, _ = grad_y.shape
    padded = np.zeros((B, H + 2 * ph, W + 2 * pw, C), grad_y.dtype)
    for i in range(kh):
        for j in range(kw):
            tap = padded[:, i : i + sh * (P - 1) + 1 : sh, j : j + sw * (Q - 1) + 1 : sw]
            tap += np.where(argmax == i * kw + j, grad_y, 0)
    return padded[:, ph : ph + H, pw : pw + W]
