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


def moments_slant(image: np.ndarray) -> float:
    """Morpho-MNIST's slant, of all ink: arctan(-mu_11 / mu_02) in degrees."""
    y, x = (axis - np.average(axis, weights=image) for axis in np.indices(image.shape))
    return np.rad2deg(np.arctan(-(image * y * x).sum() / (image * y * y).sum()))


def oracle_slant(image: np.ndarray) -> float:
    """The shear whose column profile varies most, by plain loops over pixels and over every tenth of a degree."""
    H, W = image.shape
    columns = np.arange(-40, W + 40)
    inked = [(y - (H - 1) / 2, x, image[y, x]) for y, x in np.ndindex(H, W) if image[y, x]]

    def variance(degrees: float) -> float:
        profile = np.zeros(len(columns))
        for y, x, ink in inked:
            profile += ink * np.exp(-0.5 * (columns - (x + y * np.tan(np.deg2rad(degrees)))) ** 2)
        return profile.var()

    coarse = max(np.arange(-48.0, 49.0, 3.0), key=variance)
    return max(np.arange(coarse - 3, coarse + 3.1, 0.1), key=variance)


@pytest.mark.parametrize("width", [1.5, 2.0, 2.5, 3.0, 4.0])
def test_slant_of_a_sheared_bar(width):
    angles = np.arange(-35.0, 36.0)
    bars = np.stack([bar(width, angle) for angle in np.deg2rad(angles)])
    np.testing.assert_allclose(slant(bars), angles, atol=1.0)
    np.testing.assert_allclose(slant(np.roll(bars, 3, 2)), slant(bars), atol=1e-6)  # wherever it stands
    np.testing.assert_allclose(slant(bars[:, 5:-5]), angles, atol=2.0)  # H != W, and a shorter bar says less


@pytest.mark.parametrize("degrees", [10.0, 20.0])
def test_a_seven_leans_as_its_stem_does(degrees):
    """To 4 degrees: the profile is a little higher, too, where the stem stands under the bar."""
    y, x = np.mgrid[:28, :28] - 13.5
    head = 9 * np.tan(np.deg2rad(degrees))
    top = np.clip(1.75 - np.abs(y + 8), 0, 1) * np.clip(7.5 - np.abs(x - head + 6.5), 0, 1)  # a bar, left of the head
    seven = np.maximum(bar(2.5, np.deg2rad(degrees)), top)
    assert moments_slant(seven) < -3  # who looks at all ink sees it lean left
    assert slant(seven[None])[0] == pytest.approx(degrees, abs=4)
    assert slant(seven[None, :, ::-1])[0] == pytest.approx(-degrees, abs=4)
    assert slant(0.3 * seven[None])[0] == pytest.approx(slant(seven[None])[0], abs=1e-9)


def test_slant_is_that_of_the_sharpest_profile():
    from minisd.data import draw_strokes

    tall = np.zeros((1, 31, 19))
    tall[0, 4:28, 8:11] = tall[0, 20:23, 3:16] = 1
    for images in (draw_strokes(6, seed=7).images, tall):
        np.testing.assert_allclose(slant(images), [oracle_slant(image) for image in images], atol=0.35)


def test_slant_changes_sign_in_the_mirror():
    images = np.random.default_rng(1).random((5, 28, 28))
    np.testing.assert_allclose(slant(images[:, :, ::-1]), -slant(images), atol=1e-9)


def test_no_slant_is_beyond_what_is_tried():
    lying = np.stack([bar(2.0, angle) for angle in np.deg2rad([-70.0, -52.0, 52.0, 70.0])])
    np.testing.assert_allclose(slant(lying), [-48, -48, 48, 48])


def test_what_does_not_stand_does_not_lean():
    dot, line, ground = np.zeros((3, 28, 28))
    dot[9, 20] = line[13, 4:20] = 1
    assert slant(np.stack([dot, line, ground])).tolist() == [0, 0, 0]
    assert slant(np.zeros((2, 1, 9))).tolist() == slant(np.ones((2, 1, 9))).tolist() == [0, 0]
    np.testing.assert_allclose(slant(np.full((1, 28, 20), 255, np.uint8)), 0, atol=1e-9)


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
    """Kept as they were found; the thickness is Morpho-MNIST's own to a few hundredths of a pixel."""
    from minisd.data import draw_strokes

    images = draw_strokes(8, seed=0).images
    found = [2.5678, 2.008, 2.3583, 2.8827, 2.2502, 2.2863, 2.7579, 3.0339]
    np.testing.assert_allclose(thickness(images), found, atol=0.01)
    leaning = [19.1335, -1.4817, -3.6825, 18.5869, 15.1825, 15.3583, 34.4882, 17.3928]
    np.testing.assert_allclose(slant(images), leaning, atol=0.01)


def test_a_picture_need_not_be_square():
    images = np.stack([bar(w, a) for w in (2.0, 3.2) for a in (-0.3, 0.2)])
    whole = thickness(images)
    for narrow in (images[:, :, 7:21], images[:, 2:26], np.pad(images, ((0, 0), (0, 0), (9, 0)))):
        np.testing.assert_allclose(thickness(narrow), whole, atol=0.02)


def test_the_edges_between_words():
    assert THICKNESS_BINS == (2.31, 2.83) and SLANT_BINS == (-3.0, 12.0)


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
    assert bins(np.array([-3.1, -3.0, 11.9, 12.0]), SLANT_BINS).tolist() == [0, 1, 1, 2]
