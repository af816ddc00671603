"""How sharp a picture's edges are: the width over which they rise from dark to light."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STEP = 0.125  # pixels between two looks along an edge's profile


def edge_widths(
    images: NDArray[Any], *, most: int = 20_000, reach: float = 12.0, contrast: float = 0.5
) -> NDArray[Any]:
    """The 10%-to-90% rise, in pixels, of edge points spread over all pictures, measured across the edge.

    An edge point is a pixel whose gradient is the largest of those before and behind it across the edge. From it one
    walks along the gradient, uphill and downhill, until the picture stops rising and falling: between these two grey
    levels lie 0% and 100%. Edges that rise by less than `contrast` of the picture's range do not count. Between pixels
    the picture is read bilinearly, which makes the sharpest edge, from one pixel to the next, 0.8 pixels wide.

    Shapes: images (N, H, W) -> (points,), at most about `most` of them.

    Args:
        reach: how far one walks to each side, in pixels; an edge that is not over by then is as wide as it was seen.

    >>> edge = np.clip((np.arange(40) - 15.5) / 8, 0, 1) * np.ones((1, 40, 1))  # a ramp of 8 pixels: 80% of it are 6.4
    >>> float(np.median(edge_widths(edge)).round(1))
    6.4
    """
    x = np.asarray(images, np.float32)
    x = (x - x.min()) / max(float(np.ptp(x)), 1e-9)
    dy, dx = np.gradient(x, axis=(1, 2))
    slope = np.hypot(dy, dx)
    n, row, column = np.nonzero(slope > 0.02)
    uy, ux = dy[n, row, column] / slope[n, row, column], dx[n, row, column] / slope[n, row, column]
    here = slope[n, row, column]
    ridge = (here >= _at(slope, n, row + uy, column + ux)) & (here >= _at(slope, n, row - uy, column - ux))
    chosen = np.flatnonzero(ridge)[:: max(1, int(ridge.sum()) // most)]
    n, row, column, uy, ux = (part[chosen, None] for part in (n, row, column, uy, ux))

    away = np.arange(0, reach + _STEP / 2, _STEP)
    uphill = _monotone(_at(x, n, row + away * uy, column + away * ux))
    downhill = -_monotone(-_at(x, n, row - away * uy, column - away * ux))
    low, high = downhill[:, -1:], uphill[:, -1:]
    profile = np.concatenate([downhill[:, :0:-1], uphill], axis=1)  # from the darkest to the lightest
    rise = high - low
    counts = (rise >= contrast)[:, 0]
    profile = (profile[counts] - low[counts]) / rise[counts]
    widths: NDArray[Any] = _crossing(profile, 0.9) - _crossing(profile, 0.1)
    return widths


def edge_width(images: NDArray[Any]) -> float:
    """The median of ``edge_widths``; NaN where there is no edge."""
    widths = edge_widths(images)
    return float(np.median(widths)) if len(widths) else float("nan")


def _at(x: NDArray[Any], n: NDArray[Any], row: NDArray[Any], column: NDArray[Any]) -> NDArray[Any]:
    """The pictures between their pixels, bilinearly; outside, the border goes on."""
    H, W = x.shape[1:]
    row, column = row.clip(0, H - 1), column.clip(0, W - 1)
    top, left = np.minimum(row.astype(int), H - 2), np.minimum(column.astype(int), W - 2)
    a, b = row - top, column - left
    upper = (1 - b) * x[n, top, left] + b * x[n, top, left + 1]
    lower = (1 - b) * x[n, top + 1, left] + b * x[n, top + 1, left + 1]
    between: NDArray[Any] = (1 - a) * upper + a * lower
    return between


def _monotone(profile: NDArray[Any]) -> NDArray[Any]:
    """Every row as far as it rises; from where it falls on, its level there."""
    falls = np.diff(profile, axis=1) < -1e-3
    end = np.where(falls.any(1), falls.argmax(1), profile.shape[1] - 1)
    steps = np.minimum(np.arange(profile.shape[1]), end[:, None])
    return np.maximum.accumulate(np.take_along_axis(profile, steps, axis=1), axis=1)


def _crossing(profile: NDArray[Any], level: float) -> NDArray[Any]:
    """Where each rising row reaches a level, in pixels from its beginning."""
    after = np.maximum((profile >= level).argmax(1), 1)
    rows = np.arange(len(profile))
    low, high = profile[rows, after - 1], profile[rows, after]
    crossing: NDArray[Any] = (after - 1 + (level - low) / np.maximum(high - low, 1e-9)) * _STEP
    return crossing
