"""Pictures larger and smaller: exact where the formula is, and the way there and back."""

from __future__ import annotations

import numpy as np
import pytest

from minisd.resizing import area_mean, bicubic, bicubic_matrix, depth_to_space, space_to_depth


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_gives_back_what_is_quadratic(factor: int) -> None:
    """Keys 1981: with a = -1/2 the error is of third order. The border, which goes on outside, is left out."""
    size = 9
    small = np.arange(size, dtype=np.float64)
    large = (np.arange(factor * size) + 0.5) / factor - 0.5
    got = bicubic(np.multiply.outer(small**2 - 3 * small, 2 - small)[None], factor)[0]
    inner = slice(2 * factor, -2 * factor)
    wanted = np.multiply.outer(large**2 - 3 * large, 2 - large)
    np.testing.assert_allclose(got[inner, inner], wanted[inner, inner], atol=2e-4)


@pytest.mark.parametrize(("size", "factor"), [(1, 2), (2, 2), (3, 4), (28, 4)])
def test_bicubic_keeps_what_is_even(size: int, factor: int) -> None:
    np.testing.assert_allclose(bicubic_matrix(size, factor).sum(1), 1, atol=1e-6)
    assert bicubic(np.full((2, size, size + 1), 7), factor).shape == (2, factor * size, factor * (size + 1))


def test_area_mean_is_the_mean_of_each_block() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 9)).astype(np.uint8)
    got = area_mean(images, 3)
    for n, i, j in np.ndindex(got.shape):
        assert got[n, i, j] == pytest.approx(images[n, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean())
    assert got.dtype == np.float32


def test_pixels_go_into_channels_and_back() -> None:
    x = np.random.default_rng(0).random((2, 4, 6, 3))
    channels = space_to_depth(x)
    assert channels.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(channels[1, 1, 2].reshape(2, 2, 3), x[1, 2:4, 4:6])
    np.testing.assert_array_equal(depth_to_space(channels), x)
