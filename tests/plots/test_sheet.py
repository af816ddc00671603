"""Sheets: their sizes, their pixels, their words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from picture_files import pixels, random_images
from PIL import Image

from minisd.checkpoint import CheckpointError
from minisd.plots import save_grid, save_strip


def test_importing_plots_is_cheap() -> None:
    code = "import sys; import minisd.plots; print([m for m in ('matplotlib', 'PIL') if m in sys.modules])"
    path = str(Path(__file__).parents[2])
    run = subprocess.run([sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("N", "columns", "shape"), [(6, None, (2, 3)), (1, None, (1, 1)), (5, 2, (3, 2)), (3, 8, (1, 3))]
)
def test_grid_holds_every_pixel(tmp_path: Path, N: int, columns: int | None, shape: tuple[int, int]) -> None:
    images, scale, margin = random_images(N, 4, 5), 3, 2
    save_grid(tmp_path / "a.png", images, columns, scale=scale, margin=margin)
    sheet = pixels(tmp_path / "a.png")
    rows, across = shape
    assert sheet.shape == (margin + rows * (4 * scale + margin), margin + across * (5 * scale + margin))
    for i in range(N):
        top, left = margin + i // across * (4 * scale + margin), margin + i % across * (5 * scale + margin)
        tile = sheet[top : top + 4 * scale, left : left + 5 * scale]
        np.testing.assert_array_equal(tile, np.kron(images[i], np.ones((scale, scale), np.uint8)))
        sheet[top : top + 4 * scale, left : left + 5 * scale] = 255
    assert (sheet == 255).all()  # the rest is white


CAPTIONS = ["7", "a very thick seven, slanted to the left", "Donaudampfschifffahrtsgesellschaft", ""]


def test_captions_stand_under_their_picture_and_are_not_cut(tmp_path: Path) -> None:
    save_grid(tmp_path / "a.png", np.full((4, 28, 28), 255, np.uint8), columns=2, scale=3, captions=CAPTIONS)
    sheet = pixels(tmp_path / "a.png")
    for edge in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]):
        assert (edge == 255).all()
    height, width = sheet.shape
    last = sheet[height // 2 + 84 :]
    assert (last[:, width // 2 :] == 255).all() and (last[:, : width // 2] < 128).any()  # no last caption, but a third


def test_all_rows_are_of_one_height_and_all_captions_of_a_row_begin_at_one(tmp_path: Path) -> None:
    images = np.full((6, 28, 28), 255, np.uint8)
    save_grid(tmp_path / "a.png", images, columns=2, scale=3, margin=4, captions=[*CAPTIONS, "7", "7"])
    save_grid(tmp_path / "b.png", images[:2], columns=2, scale=3, margin=4, captions=["7", "7"])
    a, b = pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png")
    row = (a.shape[0] - 4) // 3
    assert a.shape[0] == 4 + 3 * row and row > 84 + 4 + 3 * 12
    inked = np.flatnonzero((b < 128).any(axis=1))
    for third in (0, 2):  # a 7 stands beside four lines and beside another 7 at the same height, of the same size
        band = a[third * row : (third + 1) * row, : a.shape[1] // 2]
        np.testing.assert_array_equal(np.flatnonzero((band < 128).any(axis=1)), inked)


def test_a_caption_of_any_length_takes_four_lines_at_most(tmp_path: Path) -> None:
    images = np.full((1, 28, 28), 255, np.uint8)
    for name, words in (("a", 40), ("b", 4000)):
        save_grid(tmp_path / f"{name}.png", images, scale=3, captions=["seven " * words])
    assert pixels(tmp_path / "a.png").shape == pixels(tmp_path / "b.png").shape


def test_letters_are_a_little_smaller_if_that_saves_a_line(tmp_path: Path) -> None:
    images = np.full((2, 28, 28), 255, np.uint8)
    heights = []
    for caption in ("a thick seven", "a thin seven leaning right", "a very thin seven leaning to the right"):
        save_grid(tmp_path / f"{len(caption)}.png", images, scale=8, captions=["a one", caption])
        heights.append(pixels(tmp_path / f"{len(caption)}.png").shape[0])
    assert heights[1] <= heights[0] < heights[2]


def test_letters_that_the_font_does_not_have_are_question_marks(tmp_path: Path) -> None:
    images = np.full((1, 28, 28), 255, np.uint8)
    for name, caption in (("a", "七 é"), ("b", "? e\u0301\u200d"), ("c", "7 é")):
        save_grid(tmp_path / f"{name}.png", images, captions=[caption])
    a, b, c = (pixels(tmp_path / f"{name}.png") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_rows_have_names_and_columns_headings(tmp_path: Path) -> None:
    images = random_images(6, 8, 8)
    save_grid(tmp_path / "a.png", images, 3, scale=4, margin=5, names=["a seven", "八"], headings=["1", "2", "3"])
    save_grid(tmp_path / "b.png", images, 3, scale=4, margin=5)
    a, b = pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png")[5:, 5:]
    height, width = b.shape
    np.testing.assert_array_equal(a[-height:, -width:], b)
    beside, over = a[-height:, :-width], a[:-height, -width:]
    assert (beside[: height // 2] < 128).any() and (beside[height // 2 :] < 128).any() and (over < 128).any()
    assert (a[:-height, :-width] == 255).all()
    for what, texts in (("3 headings, got 2", {"headings": ["1", "2"]}), ("2 names, got 1", {"names": ["1"]})):
        with pytest.raises(ValueError, match=what):
            save_grid(tmp_path / "c.png", images, 3, **texts)  # type: ignore[arg-type]


def test_colour_stays_colour(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (4, 3, 5, 3), dtype=np.uint8)
    save_grid(tmp_path / "a.png", images, scale=1, margin=1)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "RGB"
        sheet = np.array(picture)
    np.testing.assert_array_equal(sheet[1:4, 1:6], images[0])
    np.testing.assert_array_equal(sheet[5:8, 7:12], images[3])
    assert (sheet[:, 6] == 255).all()
    save_strip(tmp_path / "b.png", images[:, None], ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("N", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (7, 4), (16, 4), (20, 5), (64, 8), (100, 10)]
)
def test_a_sheet_of_any_number_is_fit_for_a_slide(tmp_path: Path, N: int, columns: int) -> None:
    for side in (16, 28, 64, 112):
        save_grid(tmp_path / f"{side}.png", np.zeros((N, side, side), np.uint8))
        height, width = pixels(tmp_path / f"{side}.png").shape
        assert max(400, 28 * columns) <= width <= 1920 and height <= 1200 and width >= height


def test_strip_has_a_picture_a_row(tmp_path: Path) -> None:
    frames = random_images(3, 2, 28, 28)  # 3 moments of 2 pictures
    save_strip(tmp_path / "a.png", frames, ["t = 999", "t = 500", "t = 0"], scale=3)
    sheet = pixels(tmp_path / "a.png")
    step = 28 * 3 + 3  # and the margin
    band = sheet.shape[0] - (3 + 2 * step)  # the labels
    assert band > 8 and sheet.shape[1] == 3 + 3 * step
    for s in range(3):
        for n in range(2):
            top, left = 3 + band + n * step, 3 + s * step
            np.testing.assert_array_equal(sheet[top : top + 84 : 3, left : left + 84 : 3], frames[s, n])


def test_wrong_pictures_teach(tmp_path: Path) -> None:
    path, images = tmp_path / "a.png", random_images(2, 4, 4)
    for bad in (images.astype(np.float32), images[0], images[:0]):
        with pytest.raises(ValueError, match=r"save_grid: wanted pictures \(N, H, W\) of uint8"):
            save_grid(path, bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="wanted 2 captions, got 1"):
        save_grid(path, images, captions=["one"])
    with pytest.raises(ValueError, match="do not make a sheet"):
        save_grid(path, images, columns=0)
    with pytest.raises(ValueError, match=r"S labels, got \(2, 4, 4\)"):
        save_strip(path, images, ["a", "b"])
    with pytest.raises(ValueError, match="1 labels"):
        save_strip(path, images[None].repeat(2, axis=0), ["a"])
    assert not path.exists()


def test_where_no_picture_can_be(tmp_path: Path) -> None:
    images = random_images(2, 4, 4)
    with pytest.raises(CheckpointError, match=r"a\.png: could not be written: No such file .*choose a folder"):
        save_grid(tmp_path / "missing" / "a.png", images)
    with pytest.raises(CheckpointError, match=r"a\.jpg: pictures are written as PNG"):
        save_strip(tmp_path / "a.jpg", images[None], ["t"])
