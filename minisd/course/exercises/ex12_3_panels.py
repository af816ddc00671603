"""Packing a matrix into panels

The register tile reads a few columns of B at a time, row after row. So B (K, O) is copied into panels of `width`
columns each, and a panel's rows lie one behind the other:

$$\\text{packed}\\big[(p\\, K + k)\\, w + l\\big] = B_{k,\\; p w + l}, \\qquad w \\text{ the width},\\; 0 \\le l < w$$

The last panel is filled up with zeros, so the result has $\\lceil O / w \\rceil K w$ numbers, in one axis.
"""

from math import ceil

import numpy as np

POINTS, MINUTES = 2, 20
HINTS = (
    "Pack a matrix of 2 x 5 into panels of 3 on paper first. Where does B[1, 3] go?",
    "Make B wider with columns of zeros, until its width is a multiple of the panel's. Then a reshape gives (K, p, w).",
    "From (K, panels, width) to (panels, K, width) is one exchange of axes; then reshape(-1).",
)
GIVEN = ("np", "ceil")


def pack(B, width):
    """B (K, O) as panels: one axis of ceil(O / width) * K * width numbers, of B's dtype."""
    K, O = B.shape
    count = ceil(O / width)
    wide = np.zeros((K, count * width), B.dtype)
    wide[:, :O] = B
    return wide.reshape(K, count, width).transpose(1, 0, 2).reshape(-1)


def cases(rng, dtype):
    for K, O, width in [(2, 5, 3), (4, 8, 4), (3, 7, 2), (5, 3, 8), (1, 9, 4), (6, 1, 1), (3, 10, 5)]:
        yield rng.standard_normal((K, O)).astype(dtype), width


def mistake_last_panel_dropped(B, width):
    """The last panel is missing where the columns do not fill it."""
    K, O = B.shape
    count = O // width
    return B[:, : count * width].reshape(K, count, width).transpose(1, 0, 2).reshape(-1)


def mistake_not_filled_up(B, width):
    """The last panel is as wide as the others: fill it up with zeros."""
    return np.concatenate([B[:, j : j + width].reshape(-1) for j in range(0, B.shape[1], width)])


def mistake_rows_whole(B, width):
    """Rows of B lie here whole, one after the other: a panel's rows belong together, then comes the next panel."""
    K, O = B.shape
    wide = np.zeros((K, ceil(O / width) * width), B.dtype)
    wide[:, :O] = B
    return wide.reshape(-1)


def mistake_columns_first(B, width):
    """Within a panel the columns come one after the other: its rows should."""
    K, O = B.shape
    wide = np.zeros((K, ceil(O / width) * width), B.dtype)
    wide[:, :O] = B
    return wide.T.reshape(-1)


def mistake_cut_along_rows(B, width):
    """Panels are cut from the columns of B: yours are cut from its rows."""
    K, O = B.shape
    high = np.zeros((ceil(K / width) * width, O), B.dtype)
    high[:K] = B
    return high.reshape(-1, width, O).transpose(0, 2, 1).reshape(-1)


def mistake_zeros_first(B, width):
    """The zeros belong behind the last columns, not before the first ones."""
    K, O = B.shape
    count = ceil(O / width)
    wide = np.zeros((K, count * width), B.dtype)
    wide[:, count * width - O :] = B
    return wide.reshape(K, count, width).transpose(1, 0, 2).reshape(-1)


def mistake_panels_interleaved(B, width):
    """Neighbouring columns stand in different panels here: a panel has `width` columns that are neighbours."""
    K, O = B.shape
    count = ceil(O / width)
    wide = np.zeros((K, count * width), B.dtype)
    wide[:, :O] = B
    return wide.reshape(K, width, count).transpose(2, 0, 1).reshape(-1)


def right_by_the_formula(B, width):
    K, O = B.shape
    packed = np.zeros(-(-O // width) * K * width, B.dtype)
    for k in range(K):
        for j in range(O):
            packed[(j // width * K + k) * width + j % width] = B[k, j]
    return packed


def right_panel_by_panel(matrix, w):
    parts = []
    for first in range(0, matrix.shape[1], w):
        part = matrix[:, first : first + w]
        parts.append(np.pad(part, ((0, 0), (0, w - part.shape[1]))).ravel())
    return np.concatenate(parts)
