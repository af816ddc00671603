r"""Windows as rows: im2col

A convolution is one product of matrices, once every window of the picture is laid out as a row:

$$\text{windows}\;(B P Q,\; k_h k_w C) \;\cdot\; \text{weight}\;(k_h k_w C,\; O) = y\;(B P Q,\; O)$$

Write the function that makes the left matrix. Rows come in the order of the output's pixels (b, then p, then q), and
within a row the numbers come in the order of the weight's axes (i, then j, then c). There is no padding.
"""

import numpy as np
from minisd_kernels.shapes import window_output_size

POINTS, MINUTES = 3, 25
HINTS = (
    "A picture of 3 x 3 pixels and a window of 2 x 2: write the four rows on paper.",
    "`x[b, p*s : p*s + kh, q*s : q*s + kw]` is one window, and its `reshape(-1)` has the right order already.",
    "Loops over b, p and q, appending `x[b, p*s : p*s + kh, q*s : q*s + kw].reshape(-1)`; then `np.stack`.",
)


def im2col(x, window, stride=1):
    """The windows; shapes x (B, H, W, C), window (kh, kw) -> (B P Q, kh kw C)."""
    B, H, W, C = x.shape
    (kh, kw), s = window, stride
    P, Q = window_output_size(H, kh, s), window_output_size(W, kw, s)
    corners = [(b, p, q) for b in range(B) for p in range(0, s * P, s) for q in range(0, s * Q, s)]
    return np.stack([x[b, p : p + kh, q : q + kw].reshape(kh * kw * C) for b, p, q in corners])


def cases(rng, dtype):
    for shape, window, stride in (
        ((1, 3, 3, 1), (2, 2), 1),
        ((2, 4, 5, 3), (3, 2), 1),
        ((2, 7, 6, 2), (2, 3), 2),
        ((3, 3, 4, 2), (3, 4), 1),
        ((1, 8, 5, 3), (1, 1), 3),
        ((2, 6, 9, 1), (3, 3), 2),
    ):
        yield rng.standard_normal(shape).astype(dtype), window, stride


def _windows(x, window, stride):
    """(B, P, Q, kh, kw, C)"""
    views = np.lib.stride_tricks.sliding_window_view(x, window, axis=(1, 2))[:, ::stride, ::stride]
    return views.transpose(0, 1, 2, 4, 5, 3)


def _as_rows(windows):
    return windows.reshape(windows.shape[0] * windows.shape[1] * windows.shape[2], -1)


def mistake_channels_first(x, window, stride=1):
    """Within a row the channels come last: window rows, window columns, channels."""
    return _as_rows(_windows(x, window, stride).transpose(0, 1, 2, 5, 3, 4))


def mistake_window_columns_first(x, window, stride=1):
    """Within a row you go down the window's columns; its rows come first."""
    return _as_rows(_windows(x, window, stride).transpose(0, 1, 2, 4, 3, 5))


def mistake_pixels_transposed(x, window, stride=1):
    """The output's pixels are in the order of columns; row by row is wanted, p before q."""
    return _as_rows(_windows(x, window, stride).swapaxes(1, 2))


def mistake_pictures_last(x, window, stride=1):
    """All of the first picture's windows come before the second picture's."""
    return _as_rows(_windows(x, window, stride).transpose(1, 2, 0, 3, 4, 5))


def mistake_stride_forgotten(x, window, stride=1):
    """The windows begin `stride` pixels apart: yours is always 1."""
    return _as_rows(_windows(x, window, 1))


def mistake_transposed(x, window, stride=1):
    """Windows are rows here, not columns, despite the name: the matrix is transposed."""
    return _as_rows(_windows(x, window, stride)).T


def mistake_last_place_missing(x, window, stride=1):
    """The last window of a row of the picture, or of a column, is missing: there are (I - F) // S + 1 places."""
    (kh, kw), (_, H, W, _) = window, x.shape
    P, Q = max(1, (H - kh) // stride), max(1, (W - kw) // stride)
    return _as_rows(_windows(x, window, stride)[:, :P, :Q])


def right_views(pictures, window, stride=1):
    kh, kw = window
    views = np.lib.stride_tricks.sliding_window_view(pictures, (kh, kw), axis=(1, 2))
    views = np.moveaxis(views[:, ::stride, ::stride], 3, -1)
    return np.ascontiguousarray(views).reshape(-1, kh * kw * pictures.shape[-1])


def right_tap_by_tap(x, window, stride=1):
    B, H, W, C = x.shape
    kh, kw = window
    P, Q = (H - kh) // stride + 1, (W - kw) // stride + 1
    rows = np.empty((B, P, Q, kh, kw, C), x.dtype)
    for i in range(kh):
        for j in range(kw):
            rows[:, :, :, i, j] = x[:, i : i + stride * P : stride, j : j + stride * Q : stride][:, :P, :Q]
    return rows.reshape(B * P * Q, kh * kw * C)


def right_every_number(x, window, stride=1):
    B, H, W, C = x.shape
    places = [(H - window[0]) // stride + 1, (W - window[1]) // stride + 1]
    rows = []
    for b, p, q in np.ndindex(B, *places):
        rows.append([x[b, p * stride + i, q * stride + j, c] for i, j, c in np.ndindex(*window, C)])
    return np.array(rows)
