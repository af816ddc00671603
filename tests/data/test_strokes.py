import math
from collections import Counter

import numpy as np
import pytest

from minisd.data import SLANT_BINS, THICKNESS_BINS, bins, draw_strokes, slant, strokes, thickness


@pytest.fixture(scope="module")
def digits():
    return draw_strokes(400, seed=0)


def test_an_image_depends_on_seed_and_position_alone(digits):
    few = draw_strokes(7, seed=0)
    for a, b in zip(few, digits, strict=True):
        np.testing.assert_array_equal(a, b[:7])
    assert not np.array_equal(draw_strokes(7, seed=1).images, few.images)


def test_shapes_types_and_every_digit(digits):
    assert digits.images.shape == (400, 28, 28) and digits.images.dtype == np.uint8
    assert set(digits.labels.tolist()) == set(range(10)) and digits.labels.dtype == np.int64
    assert draw_strokes(0, seed=0).images.shape == (0, 28, 28)


def test_like_mnist_in_frame_and_ink(digits):
    edge = digits.images.copy()
    edge[:, 1:-1, 1:-1] = 0
    assert not edge.any()
    assert (digits.images.max((1, 2)) > 200).all()
    y = (digits.images.sum(2) @ np.arange(28)) / digits.images.sum((1, 2))
    np.testing.assert_allclose(y, 13.5, atol=2)


def test_drawn_and_measured_attributes_agree(digits):
    measured = thickness(digits.images)
    assert np.corrcoef(measured, digits.thickness)[0, 1] > 0.96
    assert np.abs(measured - digits.thickness).mean() < 0.15
    lean = slant(digits.images)
    assert np.corrcoef(lean, digits.slant)[0, 1] > 0.99
    off = np.abs(lean - digits.slant)
    assert off.mean() < 1.2 and max(off[digits.labels == digit].mean() for digit in range(10)) < 2.5
    assert (bins(lean, SLANT_BINS) == bins(digits.slant, SLANT_BINS)).mean() > 0.95


def test_the_words_are_about_as_common_as_over_mnist(digits):
    assert np.bincount(bins(digits.thickness, THICKNESS_BINS)).min() > 400 / 4.5
    leaning = np.bincount(bins(digits.slant, SLANT_BINS)) / 400
    np.testing.assert_allclose(leaning, (0.19, 0.34, 0.47), atol=0.07)


# ---- How a digit is drawn


def test_every_picture_has_a_stream_of_its_own():
    first, second = draw_strokes(4, seed=0), draw_strokes(4, seed=1)
    assert len({*first.thickness, *second.thickness}) == 8
    rng = np.random.default_rng((1, 2))  # of the third picture under seed 1
    assert second.labels[2] == rng.integers(10)
    assert second.thickness[2] == np.clip(np.exp(rng.normal(np.log(2.55), 0.25)), 1.4, 4.2)
    assert second.slant[2] == np.clip(rng.normal(10.5, 14.8), -30, 42)


def test_attributes_are_spread_as_mnists(digits):
    assert np.log(digits.thickness).mean() == pytest.approx(np.log(2.55), abs=0.04)
    assert np.log(digits.thickness).std() == pytest.approx(0.25, abs=0.03)
    assert digits.slant.mean() == pytest.approx(10.5, abs=2.5) and digits.slant.std() == pytest.approx(14.8, abs=1.5)
    assert digits.slant.min() < -20 and digits.slant.max() > 36
    assert (digits.thickness.min(), digits.thickness.max()) == (1.4, 4.2)


def test_every_way_to_write_a_digit_is_drawn(monkeypatch):
    drawn, skeleton = Counter(), strokes._skeleton
    monkeypatch.setattr(strokes, "_skeleton", lambda way, rng: (drawn.update([way]), skeleton(way, rng))[1])
    draw_strokes(150, seed=0)
    assert set(drawn) == {way for ways in strokes.SKELETONS.values() for way in ways}


def test_inner_points_are_jittered_and_ends_stay():
    rng = np.random.default_rng(0)
    ends = [strokes._skeleton(("0 0, 50 50, 0 100", "0 100, 100 100"), rng) for _ in range(200)]
    widths, middles = (np.array([end[1, at] for end in ends]) for at in (-1, 3))
    assert all(end[0, 0] == 0 and end[1, 7] == 1j == end[0, 8] for end in ends)  # strokes meet
    assert (widths.imag == 1).all() and 0.95 <= widths.real.min() < 1 and 1.25 < widths.real.max() <= 1.3
    jitter = middles.real / widths.real - 0.5, middles.imag - 0.5
    assert [np.std(part) for part in jitter] == pytest.approx([0.022, 0.022], rel=0.2)
    assert np.ptp(jitter) < 0.2


@pytest.mark.parametrize("loop", [False, True])
def test_a_curve_is_catmull_and_roms(loop):
    points = [0j, 1 + 2j, 3 - 1j, 0j if loop else 4 + 1j]
    around = points[-2] if loop else 2 * points[0] - points[1], points[1] if loop else 2 * points[-1] - points[-2]
    p = [around[0], *points, around[1]]
    wanted = []
    for i in range(1, len(points)):
        start, end = (p[i + 1] - p[i - 1]) / 2, (p[i + 2] - p[i]) / 2  # the tangents at both points
        for t in (0, 0.25, 0.5, 0.75):  # Hermite's basis
            wanted.append(
                (2 * t**3 - 3 * t**2 + 1) * p[i] + (t**3 - 2 * t**2 + t) * start
                + (3 * t**2 - 2 * t**3) * p[i + 1] + (t**3 - t**2) * end
            )  # fmt: skip
    np.testing.assert_allclose(strokes._smooth(np.array(points)), [*wanted, points[-1]], atol=1e-12)


def test_a_figure_is_sheared_by_the_slant_and_fits():
    ends = strokes._skeleton(strokes.SKELETONS[5][0], np.random.default_rng(0))
    for degrees in (-30.0, 0.0, 42.0):
        placed = strokes._place(ends, 2.5, degrees, np.random.default_rng(1))
        scale = np.ptp(placed.imag) / np.ptp(ends.imag)
        sheared = placed.real + math.tan(math.radians(degrees)) * placed.imag  # back again
        np.testing.assert_allclose(sheared - sheared[0, 0], scale * (ends.real - ends.real[0, 0]), atol=1e-9)
        assert max(np.ptp(placed.real), np.ptp(placed.imag)) <= 20 - 2.5
        assert max(abs(placed.real - 13.5).max(), abs(placed.imag - 13.5).max()) <= 13.5 - 2.5 / 2


def test_an_upright_figure_has_upright_stems():
    """Of a seven, whose skeleton leans by 19 degrees and more, and whose bar would tilt its moments."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        ends = strokes._upright(strokes._skeleton(strokes.SKELETONS[7][0], rng), 2.5, rng)
        head, foot = ends[1, 7], ends[1, -1]
        assert math.degrees(math.atan2((head - foot).real, (foot - head).imag)) == pytest.approx(
            0, abs=6
        )  # as far as jitter and the bar let it
        placed = strokes._place(ends, 2.5, 0.0, rng)
        assert slant(strokes._ink(placed, 2.5)[None])[0] == pytest.approx(0, abs=1)


def test_ink_follows_from_the_distance_to_the_curve():
    ends = np.array([[4 + 5j, 9.3 + 20j], [9.3 + 20j, 21 + 11.5j]])
    ink = strokes._ink(ends, 3.0)
    for y, x in np.ndindex(28, 28):
        distances = []
        for a, b in ends.T:
            t = min(1.0, max(0.0, ((x + 1j * y - a) * (b - a).conjugate()).real / abs(b - a) ** 2))
            distances.append(abs(x + 1j * y - (a + t * (b - a))))
        level = 255 * min(1.0, max(0.0, (3.0 - 0.125) / 2 + 0.5 - min(distances)))
        assert abs(ink[y, x] - level) <= 0.5 + 1e-3  # rounded to the nearest


def test_the_same_digits_drawn_large_are_the_small_ones_when_shrunk() -> None:
    small, large = draw_strokes(6, 3), draw_strokes(6, 3, size=112)
    np.testing.assert_array_equal(large.labels, small.labels)
    shrunk = large.images.reshape(6, 28, 4, 28, 4).mean((2, 4))
    assert np.abs(shrunk - small.images).mean() < 0.03 * small.images.mean()
    assert 0 < ((large.images > 0) & (large.images < 255)).mean() < 0.05  # borders a pixel wide at this size, too
