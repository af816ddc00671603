import numpy as np
import pytest

from minisd.data import SLANT_BINS, THICKNESS_BINS, bins, draw_strokes, slant, thickness


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
    lean = np.rad2deg(slant(digits.images))
    assert np.corrcoef(lean, digits.slant)[0, 1] > 0.98
    assert np.abs(lean - digits.slant).mean() < 3


def test_the_three_words_of_an_attribute_are_about_equally_common(digits):
    for values, edges in ((digits.thickness, THICKNESS_BINS), (digits.slant, SLANT_BINS)):
        assert np.bincount(bins(values, edges)).min() > 400 / 4.5
