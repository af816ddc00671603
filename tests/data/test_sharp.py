"""Sharp large digits: the ink of the small ones, whole strokes, borders a pixel wide."""

from __future__ import annotations

import numpy as np

from minisd.data.components import connected_components
from minisd.data.sharp import sharpened
from minisd.data.strokes import draw_strokes
from minisd.resizing import area_mean, bicubic
from minisd.sharpness import edge_width


def test_digits_of_known_shape_are_found_again() -> None:
    """Strokes drawn at 112 x 112, shrunk and sharpened: nearly every pixel is right, and the border is as sharp."""
    large = draw_strokes(12, 0, size=112).images
    small = np.rint(area_mean(large, 4)).astype(np.uint8)
    again = sharpened(small)
    assert again.shape == large.shape and again.dtype == np.uint8
    assert np.abs(again.astype(float) - large).mean() < 0.1 * large.mean()  # along the borders, a third of a pixel
    assert abs(again.mean() / large.mean() - 1) < 0.02
    assert edge_width(again) < 1.1 * edge_width(large)


def test_a_stroke_thinner_than_a_pixel_stays_whole() -> None:
    y, x = np.mgrid[:112, :112]
    pen = (np.abs(x - 30 - 0.3 * y) < 1.4) & (y > 20) & (y < 90)  # 2.7 pixels of 112, 0.7 of 28
    small = np.rint(255 * area_mean(pen[None], 4)).astype(np.uint8)
    assert connected_components(bicubic(small, 4)[0] > 127).max() > 3  # what a level of one half alone would leave
    ink = sharpened(small)[0] > 127
    assert connected_components(ink).max() == 1
    assert 0.8 < ink.sum() / pen.sum() < 1.4


def test_what_is_hardly_there_is_ground() -> None:
    smudge = np.zeros((1, 28, 28), np.uint8)
    smudge[0, 10:12, 10:12] = 40
    assert sharpened(smudge).max() == 0
    assert sharpened(np.zeros((1, 8, 12), np.uint8)).shape == (1, 32, 48)


def test_a_picture_does_not_depend_on_the_others() -> None:
    images = draw_strokes(3, 1).images
    np.testing.assert_array_equal(sharpened(images)[1], sharpened(images[1:2])[0])
