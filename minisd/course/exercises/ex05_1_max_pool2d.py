r"""The largest of each window

$$y_{b,p,q,c} = \max_{i < F,\; j < F}\; x_{b,\; p s + i - P,\; q s + j - P,\; c}$$

Each channel for itself. Outside the picture there is nothing that could be the largest: not 0, which would win over
negative numbers, but minus infinity. Without a stride the windows lie side by side. Sizes are chapter 2's.
"""

import numpy as np
from minisd_kernels import max_pool2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 2, 20
HINTS = (
    "Begin without padding: which slice of x holds the places (i, j) of all windows?",
    "np.pad(..., constant_values=-np.inf), and np.maximum of F x F slices.",
    "start with y of -inf; for i, j: y = np.maximum(y, padded[:, i : i + s * (P - 1) + 1 : s, j : ...]).",
)


def max_pool2d(x, window, stride=None, padding=0):
    """The maxima; shapes x (B, H, W, C) -> (B, H', W', C)."""
    with use_backend("numpy"):
        return library.forward(x, window=window, stride=stride, padding=padding)[0]


def cases(rng, dtype):
    for shape, window, stride, padding in (
        ((1, 4, 6, 1), 2, None, 0),
        ((2, 5, 7, 3), 2, None, 0),
        ((2, 6, 5, 2), 3, 1, 0),
        ((1, 7, 8, 2), 3, 2, 1),
        ((2, 5, 6, 2), 2, 3, 1),
        ((1, 9, 9, 1), 3, None, 1),
        ((3, 3, 4, 2), 1, 2, 0),
    ):
        yield (rng.standard_normal(shape) - padding).astype(dtype), window, stride, padding  # below 0 where it matters


def _windows(x, window, stride, padding, outside=-np.inf):
    around = (padding, padding)
    padded = np.pad(x, ((0, 0), around, around, (0, 0)), constant_values=outside)
    return np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(1, 2))[:, ::stride, ::stride]


def mistake_zeros_outside(x, window, stride=None, padding=0):
    """Outside the picture stand zeros in yours, which are larger than negative numbers: take minus infinity."""
    return _windows(x, window, stride or window, padding, 0).max(axis=(-2, -1))


def mistake_mean(x, window, stride=None, padding=0):
    """That is the mean of each window; the largest is wanted."""
    windows = _windows(x, window, stride or window, padding)
    return np.where(np.isfinite(windows), windows, 0).mean(axis=(-2, -1))


def mistake_stride_one(x, window, stride=None, padding=0):
    """Without a stride the windows lie side by side: it is the window's size, not 1."""
    return max_pool2d(x, window, stride or 1, padding)


def mistake_channels_too(x, window, stride=None, padding=0):
    """Each channel has a maximum of its own; yours is over all channels."""
    y = max_pool2d(x, window, stride, padding)
    return np.repeat(y.max(axis=-1, keepdims=True), y.shape[-1], axis=-1)


def mistake_stride_ignored(x, window, stride=None, padding=0):
    """The windows begin `stride` pixels apart; yours always lie side by side."""
    return max_pool2d(x, window, None, padding)


def mistake_largest_amount(x, window, stride=None, padding=0):
    """The largest number is wanted, not the one with the largest amount: of -3 and 1 it is 1."""
    windows = _windows(x, window, stride or window, padding)
    flat = windows.reshape(*windows.shape[:4], -1)
    places = np.where(np.isfinite(flat), np.abs(flat), -1).argmax(axis=-1)
    return np.take_along_axis(flat, places[..., None], axis=-1)[..., 0]


def mistake_smallest(x, window, stride=None, padding=0):
    """That is the smallest number of each window."""
    return _windows(x, window, stride or window, padding, np.inf).min(axis=(-2, -1))


def mistake_padding_ignored(x, window, stride=None, padding=0):
    """The windows begin in the padding, P rows above and P columns left of the picture."""
    return max_pool2d(x, window, stride, 0)


def mistake_padding_to_row_zero(x, window, stride=None, padding=0):
    """The padding lies on all four sides; yours lies behind the picture only."""
    padded = np.pad(x, ((0, 0), (0, 2 * padding), (0, 2 * padding), (0, 0)), constant_values=-1e9)
    return max_pool2d(padded, window, stride, 0)


def right_views(x, window, stride=None, padding=0):
    s = window if stride is None else stride
    p = np.full((x.shape[0], x.shape[1] + 2 * padding, x.shape[2] + 2 * padding, x.shape[3]), -np.inf, x.dtype)
    p[:, padding : padding + x.shape[1], padding : padding + x.shape[2]] = x
    return np.lib.stride_tricks.sliding_window_view(p, (window, window), axis=(1, 2))[:, ::s, ::s].max((4, 5))


def right_loops(pictures, k, s=None, p=0):
    s = s or k
    B, H, W, C = pictures.shape
    y = np.empty((B, (H + 2 * p - k) // s + 1, (W + 2 * p - k) // s + 1, C), pictures.dtype)
    for row, column in np.ndindex(*y.shape[1:3]):
        top, left = row * s - p, column * s - p
        window = pictures[:, max(0, top) : top + k, max(0, left) : left + k]
        y[:, row, column] = window.max(axis=(1, 2))
    return y
