"""The width of edges, on edges whose width is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from minisd.sharpness import edge_width, edge_widths

_erf = np.vectorize(math.erf)


def away(degrees: float, size: int = 48) -> NDArray[np.float64]:
    """The distance of each pixel from a line through the middle, signed."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.asarray(x * math.cos(math.radians(degrees)) + y * math.sin(math.radians(degrees)))


@pytest.mark.parametrize("degrees", [0, 17, 45, 80, 200])
def test_a_ramp_and_a_blurred_edge_are_as_wide_as_they_are(degrees: float) -> None:
    d = away(degrees)
    assert edge_width(np.clip(d / 8 + 0.5, 0, 1)[None]) == pytest.approx(0.8 * 8, abs=0.1)
    for sigma in (1.5, 2.0, 3.0):  # 10% and 90% of the normal distribution lie 2.563 deviations apart
        blurred = 0.5 + 0.5 * _erf(d / sigma / math.sqrt(2))
        assert 0 <= edge_width(blurred[None]) - 2.563 * sigma < 0.25  # reading between pixels widens a little


def test_the_sharpest_edge_is_less_than_a_pixel_wide() -> None:
    step = np.zeros((1, 20, 20), np.uint8)
    step[:, :, 10:] = 255
    assert edge_width(step) == pytest.approx(0.8, abs=0.01)


def test_both_sides_of_a_stroke_count_and_neither_reaches_beyond_it() -> None:
    """A stroke whose borders rise over 4 pixels, on a ground of noise: the profile ends on the stroke's back."""
    stroke = np.clip(3 - np.abs(away(30)) / 2, 0, 1)
    noise = np.random.default_rng(0).normal(0, 1e-4, stroke.shape)
    widths = edge_widths((stroke + noise)[None])
    assert len(widths) > 40
    assert np.median(widths) == pytest.approx(0.8 * 2, abs=0.3)


def test_brightness_and_contrast_change_nothing() -> None:
    edge = np.clip(away(20) / 6 + 0.5, 0, 1)[None]
    assert edge_width(100 + 20 * edge) == pytest.approx(edge_width(edge), abs=1e-2)
    assert edge_width(1 - edge) == pytest.approx(edge_width(edge), abs=1e-2)


def test_where_there_is_no_edge_there_is_no_width() -> None:
    assert math.isnan(edge_width(np.full((2, 9, 9), 3)))
    assert len(edge_widths(np.zeros((1, 9, 9)))) == 0


def test_so_many_points_are_enough() -> None:
    edges = np.repeat(np.clip(away(0) / 4 + 0.5, 0, 1)[None], 10, axis=0)
    assert len(edge_widths(edges, most=50)) <= 100 < len(edge_widths(edges))
