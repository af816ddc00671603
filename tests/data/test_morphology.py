import numpy as np
import pytest

from minisd.data import SLANT_BINS, THICKNESS_BINS, bins, slant, thickness


def bar(width: float, angle: float = 0.0, size: int = 28) -> np.ndarray:
    """An antialiased bar 18 px tall, sheared by the angle (radians), with borders `width` apart at right angles."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    across = np.abs(x + np.tan(angle) * y) * np.cos(angle)
    return np.clip(width / 2 + 0.5 - across, 0, 1) * np.clip(9.5 - np.abs(y), 0, 1)


def oracle_thickness(image: np.ndarray) -> float:
    """Morpho-MNIST's own definition, where scikit-image is installed."""
    transform = pytest.importorskip("skimage.transform")
    morphology = pytest.importorskip("skimage.morphology")
    large = (255 * transform.pyramid_expand(image, upscale=4, order=3)).astype(np.uint8)
    lo, hi = int(large.min()), int(large.max())
    skeleton, distance = morphology.medial_axis(large >= lo + (hi - lo) / 2, return_distance=True)
    return 2 * distance[skeleton].mean() / 4


@pytest.mark.parametrize("angle", [-30, -10, 0, 20, 40])
def test_slant_of_a_sheared_bar(angle):
    np.testing.assert_allclose(np.rad2deg(slant(bar(2.5, np.deg2rad(angle))[None])), angle, atol=1.0)


def test_slant_is_that_of_plain_moments():
    images = np.random.default_rng(0).random((4, 9, 13))
    for image, got in zip(images, slant(images), strict=True):
        points = [(y, x, image[y, x]) for y in range(9) for x in range(13)]
        mass = sum(g for *_, g in points)
        my, mx = sum(y * g for y, _, g in points) / mass, sum(x * g for _, x, g in points) / mass
        mu_11 = sum((y - my) * (x - mx) * g for y, x, g in points)
        mu_02 = sum((y - my) ** 2 * g for y, _, g in points)
        assert got == pytest.approx(np.arctan(-mu_11 / mu_02), rel=1e-12)


def test_slant_changes_sign_in_the_mirror():
    images = np.random.default_rng(1).random((5, 28, 28))
    np.testing.assert_allclose(slant(images[:, :, ::-1]), -slant(images), rtol=1e-9)


@pytest.mark.parametrize("width", [1.5, 2.0, 2.5, 3.0, 4.0, 5.5])
def test_thickness_of_a_bar(width):
    slanted = bar(width, 0.2)  # an upright one lies on the sub-pixel lattice, and its thickness is a multiple of 1/2
    assert thickness(slanted[None])[0] == pytest.approx(width, abs=0.35)


def test_thickness_agrees_with_the_definition():
    from minisd.data import draw_strokes

    images = draw_strokes(60, seed=5).images
    wanted = np.array([oracle_thickness(image) for image in images])
    got = thickness(images)
    assert np.corrcoef(got, wanted)[0, 1] > 0.99
    assert np.abs(got - wanted).mean() < 0.08


def test_measurements_of_eight_drawn_digits():
    """Values that agree with Morpho-MNIST's own definition to a few hundredths of a pixel, kept as they were found."""
    from minisd.data import draw_strokes

    images = draw_strokes(8, seed=0).images
    found = [2.5523, 2.0066, 2.4403, 2.9387, 2.198, 2.2681, 2.6618, 3.0486]
    np.testing.assert_allclose(thickness(images), found, atol=0.01)
    leaning = [14.049, -2.7071, -8.691, 17.0905, 8.963, 11.0812, 31.2823, 11.7434]
    np.testing.assert_allclose(np.rad2deg(slant(images)), leaning, atol=0.01)


def test_a_picture_need_not_be_square():
    images = np.stack([bar(w, a) for w in (2.0, 3.2) for a in (-0.3, 0.2)])
    whole = thickness(images)
    for narrow in (images[:, :, 7:21], images[:, 2:26], np.pad(images, ((0, 0), (0, 0), (9, 0)))):
        np.testing.assert_allclose(thickness(narrow), whole, atol=0.02)


def test_the_words_are_about_the_thirds_of_mnist():
    assert THICKNESS_BINS == (2.31, 2.83) and SLANT_BINS == (-0.6, 12.6)


@pytest.mark.parametrize("margin", [0, 1, 2, 9])
def test_the_box_keeps_its_margin_where_there_is_room(margin):
    from minisd.data.morphology import _box

    used = np.zeros((12, 3, 9), bool)
    used[4, 0, 3] = used[6, 2, 5] = True
    rows, everything, columns = _box(used, margin)
    assert everything == slice(None)
    assert [*range(12)[rows]] == [row for row in range(12) if 4 - margin <= row <= 6 + margin]
    assert [*range(9)[columns]] == [column for column in range(9) if 3 - margin <= column <= 5 + margin]


def test_cropping_changes_no_thickness():
    """The spline and the blur reach past the strokes: the margin leaves room for them."""
    digit, corner = bar(2.4, 0.2), np.zeros((28, 28))
    corner[0, 0] = corner[-1, -1] = 0.01  # grey that keeps all of the picture, and is no stroke
    assert thickness(digit[None])[0] == pytest.approx(thickness(np.stack([digit, corner]))[0], abs=1e-6)


def test_squared_distance_is_the_nearest_ground_pixel():
    from minisd.data.morphology import _squared_distance

    stroke = np.pad(np.random.default_rng(2).random((11, 17, 3)) < 0.93, ((1, 1), (1, 1), (0, 0)))
    got = _squared_distance(stroke)
    for n in range(3):
        ground = np.argwhere(~stroke[:, :, n])
        for y, x in np.ndindex(13, 19):
            assert got[y, x, n] == ((ground - (y, x)) ** 2).sum(1).min()


def test_grey_scale_batch_and_memory_layout_do_not_matter():
    images = np.stack([bar(w, a) for w in (1.7, 3.2) for a in (-0.3, 0.2)] * 40)
    for measure in (slant, thickness):
        whole = measure(images)
        np.testing.assert_allclose(measure(255 * images), whole, atol=1e-9)
        np.testing.assert_allclose(measure(images[:3]), whole[:3], atol=0.01)
        np.testing.assert_allclose(measure(np.asfortranarray(images)), whole, atol=1e-9)


@pytest.mark.parametrize("value", [0, 0.5, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_blank_images_give_zero(value, dtype):
    images = np.full((3, 28, 20), value, dtype)
    assert thickness(images).tolist() == [0, 0, 0]
    if value == 0:
        assert slant(images).tolist() == [0, 0, 0]


def test_blank_among_others_and_no_images_at_all():
    images = np.stack([np.zeros((28, 28)), bar(3)])
    assert thickness(images)[0] == 0 and thickness(images)[1] > 2.5
    assert thickness(np.zeros((0, 28, 28))).shape == slant(np.zeros((0, 28, 28))).shape == (0,)


def test_strokes_up_to_the_edge():
    assert thickness(np.eye(28)[None])[0] > 0.5
    assert np.isfinite(thickness(np.random.default_rng(3).random((2, 28, 28)))).all()


def test_wrong_shape_is_said():
    with pytest.raises(ValueError, match=r"\(28, 28\); wanted \(N, H, W\)"):
        thickness(np.zeros((28, 28)))


def test_bins():
    assert bins(np.array([0.0, 2.31, 2.8, 2.83, 9.0]), THICKNESS_BINS).tolist() == [0, 1, 1, 2, 2]
    assert bins(np.array([-20.0, 0.0, 20.0]), SLANT_BINS).tolist() == [0, 1, 2]
