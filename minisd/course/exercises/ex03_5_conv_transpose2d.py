r"""The transposed convolution

It spreads every pixel of x over a window, which begins at the pixel's place times the stride. Where windows overlap,
they add up; then P rows and columns are cut off on every side:

$$y_{b,\; h s + i - P,\; w s + j - P,\; o} \mathrel{+}= \sum_c x_{b,h,w,c}\; \text{weight}_{i,j,c,o}$$

Shapes: x (B, H, W, C), weight (kh, kw, C, O) -> y (B, s (H - 1) + kh - 2P, s (W - 1) + kw - 2P, O).
"""

import numpy as np
from minisd_kernels import conv_transpose2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 4, 40
HINTS = (
    "On paper: two pixels, a window of 3, stride 2. How long is the result, and where do the windows overlap?",
    "Make room without cutting, s (H - 1) + kh rows. For every place (i, j) of the window, all of x goes to one slice.",
    "room[:, i : i + s * (H - 1) + 1 : s, j : j + s * (W - 1) + 1 : s] += x @ weight[i, j]; then cut P off each side.",
)


def conv_transpose2d(x, weight, stride=1, padding=0):
    """x, spread; shapes as above."""
    with use_backend("numpy"):
        return library.forward(x, weight, stride=stride, padding=padding)


def cases(rng, dtype):
    for x_shape, w_shape, stride, padding in (
        ((1, 1, 2, 1), (2, 2, 1, 1), 2, 0),
        ((2, 3, 4, 2), (2, 3, 2, 3), 1, 0),
        ((2, 4, 3, 3), (3, 3, 3, 3), 2, 1),
        ((1, 3, 5, 2), (4, 4, 2, 1), 2, 1),
        ((3, 2, 3, 2), (2, 2, 2, 2), 3, 0),
        ((1, 4, 4, 1), (5, 4, 1, 2), 3, 1),
    ):
        yield rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype), stride, padding


def mistake_overwritten(x, weight, stride=1, padding=0):
    """Where windows overlap they add up; yours overwrite one another."""
    (B, H, W, _), (kh, kw, _, O) = x.shape, weight.shape
    room = np.zeros((B, stride * (H - 1) + kh, stride * (W - 1) + kw, O), x.dtype)
    for h, w in np.ndindex(H, W):
        window = np.einsum("bc,ijco->bijo", x[:, h, w], weight)
        room[:, h * stride : h * stride + kh, w * stride : w * stride + kw] = window
    return room[:, padding : room.shape[1] - padding, padding : room.shape[2] - padding]


def mistake_flipped(x, weight, stride=1, padding=0):
    """The window is turned round: weight[i, j] goes i rows below and j columns right of where the window begins."""
    return conv_transpose2d(x, weight[::-1, ::-1], stride, padding)


def mistake_not_cut(x, weight, stride=1, padding=0):
    """The padding is cut off in the end: P rows and columns on every side."""
    return conv_transpose2d(x, weight, stride, 0)


def mistake_padded(x, weight, stride=1, padding=0):
    """Here padding is cut off the result; yours adds zeros to it."""
    around = (padding, padding)
    return np.pad(conv_transpose2d(x, weight, stride, 0), ((0, 0), around, around, (0, 0)))


def mistake_stride_forgotten(x, weight, stride=1, padding=0):
    """The pixels' windows begin `stride` pixels apart: yours begin 1 apart."""
    room = conv_transpose2d(x, weight, 1, 0)
    return room[:, padding : room.shape[1] - padding, padding : room.shape[2] - padding]


def mistake_rows_and_columns(x, weight, stride=1, padding=0):
    """The window's rows and columns are exchanged."""
    return conv_transpose2d(x, weight.swapaxes(0, 1), stride, padding)


def mistake_cut_at_the_end_only(x, weight, stride=1, padding=0):
    """The padding is cut off on both sides, P on each; yours is all cut off at the end."""
    room = conv_transpose2d(x, weight, stride, 0)
    return room[:, : room.shape[1] - 2 * padding, : room.shape[2] - 2 * padding]


def right_loops(x, weight, stride=1, padding=0):
    (B, H, W, _), (kh, kw, _, O) = x.shape, weight.shape
    rows, columns = stride * (H - 1) + kh - 2 * padding, stride * (W - 1) + kw - 2 * padding
    y = np.zeros((B, rows, columns, O), x.dtype)
    for b, h, w, i, j in np.ndindex(B, H, W, kh, kw):
        p, q = h * stride + i - padding, w * stride + j - padding
        if 0 <= p < rows and 0 <= q < columns:
            y[b, p, q] += weight[i, j].T @ x[b, h, w]
    return y


def right_as_a_convolution(x, weight, stride=1, padding=0):
    """Zeros between the pixels and around them, then an ordinary convolution with the window turned round."""
    (B, H, W, C), (kh, kw, _, _) = x.shape, weight.shape
    apart = np.zeros((B, stride * (H - 1) + 2 * kh - 1, stride * (W - 1) + 2 * kw - 1, C), x.dtype)
    apart[:, kh - 1 : kh + stride * (H - 1) : stride, kw - 1 : kw + stride * (W - 1) : stride] = x
    windows = np.lib.stride_tricks.sliding_window_view(apart, (kh, kw), axis=(1, 2))
    y = np.einsum("bpqcij,ijco->bpqo", windows, weight[::-1, ::-1])
    return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding]
