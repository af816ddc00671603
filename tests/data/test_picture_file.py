"""Pictures as cameras, scanners and drawing programs write them: what is read of each, and how it is fitted."""

import numpy as np
import pytest
from PIL import Image

from minisd.data import DataError
from minisd.data.picture_file import has_colour, picture_size, read_picture


def shape():
    """A figure that no turning and no mirroring leaves as it is."""
    figure = np.zeros((28, 28), np.uint8)
    figure[4:24, 8:12] = figure[4:8, 8:20] = figure[12:15, 8:16] = 255
    return figure


def read(tmp_path, image, name="a.png", size=None, saved=None, **options):
    """The picture as it comes back from a file; as integers, whose differences have signs."""
    image.save(tmp_path / name, **(saved or {}))
    picture = read_picture(tmp_path / name, size, **options)
    return picture._replace(pixels=picture.pixels.astype(int))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_that_was_turned(tmp_path, orientation):
    """The note says how to turn the file's pixels; here they were turned the other way first."""
    upright = np.pad(shape(), ((0, 0), (0, 8)))
    ways = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }  # fmt: skip
    image = Image.fromarray(np.ascontiguousarray(ways[orientation]))
    exif = image.getexif()
    exif[0x0112] = orientation
    for size in (None, (28, 36)):
        np.testing.assert_array_equal(read(tmp_path, image, size=size, saved={"exif": exif}).pixels, upright)
    assert picture_size(tmp_path / "a.png") == (28, 36)


def test_grey_of_many_bits_is_scaled_by_its_own(tmp_path):
    level = np.linspace(0, 1, 28 * 28).reshape(28, 28)
    for most in (65535, 4095):
        grey = read(tmp_path, Image.fromarray((level * most).astype(np.uint16))).pixels
        assert np.abs(grey - 255 * level).max() <= 1
    grey = read(tmp_path, Image.fromarray(np.full((28, 28), 600, np.uint16)), "a.tif").pixels
    assert (grey == round(255 * 600 / 4095)).all()
    grey = read(tmp_path, Image.fromarray(np.full((28, 28), 0.5, np.float32)), "a.tiff").pixels  # fractions
    assert (grey == 128).all()
    clear = Image.fromarray(np.where(shape() > 0, 60_000, 0).astype(np.uint16))
    grey, ground, _ = read(tmp_path, clear, saved={"transparency": 0})
    assert abs(grey[6, 10] - grey[0, 0]) > 20 and grey[0, 0] == {"white": 255, "black": 0}[ground]


def inked(*level):
    """A figure of one colour on nothing."""
    return Image.fromarray(np.dstack([np.full((28, 28, 3), level, np.uint8), shape()]))


def test_on_a_transparent_ground_the_shape_is_kept_for_black_and_for_white_ink(tmp_path):
    grey, ground, _ = read(tmp_path, inked(0))
    np.testing.assert_array_equal(grey, 255 - shape())
    assert ground == "white"
    grey, ground, _ = read(tmp_path, inked(255))
    np.testing.assert_array_equal(grey, shape())
    assert ground == "black"
    for mode, saved in (("LA", {}), ("P", {"transparency": 0})):
        image = Image.fromarray(shape()).convert("P") if mode == "P" else inked(0).convert("LA")
        grey, ground, _ = read(tmp_path, image, saved=saved)
        assert ground and np.ptp(grey) == 255 and np.unique(grey).size == 2


def test_the_ground_can_be_chosen(tmp_path):
    for background, level in (("black", 0), ("white", 255)):
        grey, ground, _ = read(tmp_path, inked(128), background=background)
        np.testing.assert_array_equal(grey, np.where(shape(), 128, level))
        assert ground == background
    assert read(tmp_path, inked(255), background="white").ground == "white, where its ink is lost"
    assert read(tmp_path, inked(0), background="black").ground == "black, where its ink is lost"


def test_ink_counts_as_lost_where_the_eye_would_lose_it(tmp_path):
    """Yellow is nearly white as grey, and another colour than white in colour."""
    colour, ground, _ = read(tmp_path, inked(255, 240, 0))
    assert ground == "white" and colour[6, 10].tolist() == [255, 240, 0] and colour[0, 0].tolist() == [255] * 3
    assert read(tmp_path, inked(255, 240, 0), colour=False).ground == "black"


MODES = [("1", "a.png"), ("P", "a.gif"), ("RGB", "a.bmp"), ("RGBA", "a.webp"), ("L", "a.tif"), ("LA", "a.png")]


@pytest.mark.parametrize(("mode", "name"), [*MODES, ("YCbCr", "a.tif"), ("LAB", "a.tif"), ("CMYK", "a.tif")])
def test_grey_of_every_mode_is_one_channel(tmp_path, mode, name):
    image = Image.fromarray(shape())
    image = image.convert("RGB").convert(mode) if mode in ("LAB", "YCbCr") else image.convert(mode)
    grey = read(tmp_path, image, name).pixels
    assert grey.shape == (28, 28) and np.abs(grey - shape()).max() < 40


@pytest.mark.parametrize("colours", [("P", "a.gif"), ("RGB", "a.bmp"), ("RGBA", "a.webp"), ("CMYK", "a.jpg")])
def test_colour_of_every_mode_is_three_channels(tmp_path, colours):
    mode, name = colours
    red = np.where(shape()[..., None] > 0, np.array([220, 30, 40], np.uint8), np.uint8(255))
    pixels = read(tmp_path, Image.fromarray(red).convert(mode), name).pixels
    assert pixels.shape == (28, 28, 3) and np.abs(pixels - red).mean() < 12
    assert read_picture(tmp_path / name, colour=False).pixels.shape == (28, 28)
    grey = Image.fromarray(shape())
    assert (read(tmp_path, grey, "b.png", colour=True).pixels == shape()[..., None]).all()


def test_printers_colours(tmp_path):
    grey = read(tmp_path, Image.fromarray(shape()).convert("CMYK"), "a.jpg", saved={"quality": 95}).pixels
    assert grey.shape == (28, 28) and np.abs(grey - shape()).mean() < 10


def test_a_tint_is_no_colour():
    assert not has_colour(np.array([[[250, 240, 228], [20, 25, 30]]], np.uint8))
    assert has_colour(np.array([[[250, 240, 228], [20, 25, 90]]], np.uint8))


def test_of_an_animation_and_of_many_pages_the_first_is_read(tmp_path):
    pages = [Image.fromarray(shape()), Image.fromarray(255 - shape())]
    for name in ("a.gif", "a.tif", "a.webp"):
        pixels, _, many = read(tmp_path, pages[0], name, saved={"save_all": True, "append_images": pages[1:]})
        assert many and np.abs(pixels - shape()).max() < 40
    assert not read(tmp_path, pages[0]).first_of_many


# Fitting


def test_a_picture_of_the_size_is_left_as_it_is(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 24), dtype=np.uint8)
    for fit in ("pad", "crop"):
        np.testing.assert_array_equal(read(tmp_path, Image.fromarray(noise), size=(16, 24), fit=fit).pixels, noise)


def test_padding_shows_all_of_the_picture_on_the_colour_of_its_edge(tmp_path):
    wide = np.full((20, 40, 3), (200, 60, 20), np.uint8)
    wide[8:12, 18:22] = 0
    pixels = read(tmp_path, Image.fromarray(wide), size=(16, 16)).pixels
    assert pixels.shape == (16, 16, 3) and pixels[8, 8].max() < 90
    assert (pixels[[0, 3, 12, 15]] == (200, 60, 20)).all()


def test_a_picture_that_is_a_few_pixels_short_is_not_blurred(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (29, 30), dtype=np.uint8)
    pixels = read(tmp_path, Image.fromarray(noise), size=(32, 32)).pixels
    np.testing.assert_array_equal(pixels[1:30, 1:31], noise)
    assert read(tmp_path, Image.new("L", (28, 28), 9), size=(32, 32)).pixels.min() == 9  # four are not few


def test_cropping_fills_the_size_and_keeps_the_middle(tmp_path):
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = 255
    assert (read(tmp_path, Image.fromarray(wide), size=(20, 20), fit="crop").pixels == 255).all()


def test_of_a_panorama_a_line_is_left(tmp_path):
    pixels = read(tmp_path, Image.new("L", (9000, 20), 200), size=(16, 32)).pixels
    assert pixels.shape == (16, 32) and (pixels == 200).all()
    assert read(tmp_path, Image.new("L", (20, 9000)), size=(16, 32), fit="crop").pixels.shape == (16, 32)


def test_a_large_photo_is_reduced_as_it_is_read(tmp_path):
    photo = np.zeros((400, 600, 3), np.uint8)
    photo[:, 300:] = (240, 40, 40)
    pixels = read(tmp_path, Image.fromarray(photo), "a.jpg", size=(16, 24)).pixels
    assert np.abs(pixels[:, :11]).max() < 30 and np.abs(pixels[:, 13:] - (240, 40, 40)).max() < 30


# What is no picture


def test_what_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "a.png"
    for data, reason in ((b"", "it is empty"), (b"GIF8 or not", "it is no picture of a kind that is known here")):
        path.write_bytes(data)
        for read_it in (read_picture, picture_size):
            with pytest.raises(DataError, match=rf"a\.png: cannot be read as a picture \({reason}\)"):
                read_it(path)
    with pytest.raises(DataError, match="there is no such file"):
        read_picture(tmp_path / "b.png")


@pytest.mark.parametrize("level", [np.nan, np.inf])
def test_pixels_that_are_no_numbers(tmp_path, level):
    with pytest.raises(DataError, match=r"a\.tif: cannot be read as a picture \(some of its pixels are not finite"):
        read(tmp_path, Image.fromarray(np.array([[0.5, level]], np.float32)), "a.tif")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif"])
def test_a_picture_that_ends_early(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    for length in range(0, len(data) - 50, max(1, len(data) // 20)):
        (tmp_path / name).write_bytes(data[:length])
        with pytest.raises(DataError, match="cannot be read as a picture"):
            read_picture(tmp_path / name)


def test_a_picture_too_large_to_be_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3_000_000)
    Image.new("1", (3000, 3000)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"more than 6 million pixels; make it smaller"):
        read_picture(tmp_path / "a.png")


def test_unknown_wishes(tmp_path):
    with pytest.raises(DataError, match="background is 'green'; wanted white or black"):
        read_picture(tmp_path / "a.png", background="green")
    with pytest.raises(DataError, match="fit is 'stretch'; wanted pad or crop"):
        read_picture(tmp_path / "a.png", fit="stretch")
