"""Pictures: their sizes, their pixels, and what happens where they cannot be drawn or written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from minisd.checkpoint import CheckpointError
from minisd.plots import _coloured_cells, _running_mean, save_grid, save_loss_curve, save_segmentation, save_strip


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.array(picture.convert("L"))


def random_images(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def test_importing_plots_is_cheap() -> None:
    code = "import sys; import minisd.plots; print([m for m in ('matplotlib', 'PIL') if m in sys.modules])"
    path = str(Path(__file__).parents[1])
    run = subprocess.run([sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_loss_curve_of_three_networks(tmp_path: Path) -> None:
    save_loss_curve(tmp_path / "one.png", {"vae": [3.0, 2.0, 1.0]})
    save_loss_curve(tmp_path / "three.png", {"vae": [3.0, 2.0, 1.0], "clip": [2.0], "unet": [1.0, 0.5]}, 10)
    one, three = pixels(tmp_path / "one.png"), pixels(tmp_path / "three.png")
    assert one.shape[0] == three.shape[0] and three.shape[1] > 2 * one.shape[1]
    for picture in (one, three):
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert (edge == 255).all()  # nothing is cut off


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [float("nan")] * 3, [1.0, float("inf"), 0.5], [-1.0, 2.0], [0.0, 0.0], [1.0, 1.0], [1e-30, 1e30]],
)
def test_loss_curve_of_strange_losses(tmp_path: Path, values: list[float]) -> None:
    save_loss_curve(tmp_path / "a.png", {"unet": values})
    assert (pixels(tmp_path / "a.png") < 128).any()


def test_loss_curve_has_steps_and_losses_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **options: drawn.append(self) or save(self, *args, **options)
    )
    values = [float("nan"), *np.linspace(8, 1, 199)]
    save_loss_curve(tmp_path / "a.png", {"vae": values, "unet": [2.0, -1.0]}, steps_per_value=5)
    vae, unet = drawn[0].axes
    assert (vae.get_title(), vae.get_yscale(), unet.get_title(), unet.get_yscale()) == ("vae", "log", "unet", "linear")
    each, mean = vae.get_lines()
    for line in (each, mean):
        assert line.get_xdata().tolist() == list(range(10, 1001, 5))  # what is not finite is left out
    assert each.get_ydata().tolist() == values[1:]
    np.testing.assert_allclose(mean.get_ydata()[5], np.mean(values[4:7]))  # windows of a fiftieth
    assert [text.get_text() for text in vae.get_legend().get_texts()] == ["each value", "mean of 3"]


def test_loss_curve_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train a network first"):
        save_loss_curve(tmp_path / "a.png", {})


def test_running_mean() -> None:
    assert _running_mean(np.array([4.0, 2.0, 6.0, 0.0]), 2).tolist() == [4, 3, 4, 3]
    assert _running_mean(np.array([4.0, 2.0]), 1).tolist() == [4, 2]
    assert _running_mean(np.array([4.0, 2.0]), 9).tolist() == [4, 3]


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


def test_captions_stand_above_their_picture_and_are_not_cut(tmp_path: Path) -> None:
    images = np.full((4, 28, 28), 255, np.uint8)
    captions = ["", "a very thick seven, slanted to the left", "Donaudampfschifffahrtsgesellschaft", "7"]
    save_grid(tmp_path / "a.png", images, columns=2, captions=captions)
    sheet = pixels(tmp_path / "a.png")
    for edge in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]):
        assert (edge == 255).all()
    half = sheet.shape[1] // 2
    assert (sheet[:60, :half] == 255).all() and (sheet[:60, half:] < 128).any()  # no first caption, but a second


def test_a_short_caption_stands_right_above_its_picture(tmp_path: Path) -> None:
    images = np.full((2, 28, 28), 255, np.uint8)
    save_grid(tmp_path / "a.png", images, captions=["7", "a very thick seven, slanted to the left"])
    sheet = pixels(tmp_path / "a.png")
    band = sheet.shape[0] - 28 * 3 - 2 * 2  # the captions' part of the sheet, margins left out
    short = (sheet[2 : 2 + band, : sheet.shape[1] // 2] < 128).any(axis=1)
    assert band > 3 * 11 and short[-12:].any() and not short[:-14].any()


def test_strip_has_a_picture_a_row(tmp_path: Path) -> None:
    frames = random_images(3, 2, 28, 28)  # 3 moments of 2 pictures
    save_strip(tmp_path / "a.png", frames, ["t = 999", "t = 500", "t = 0"])
    sheet = pixels(tmp_path / "a.png")
    step = 28 * 3 + 2
    band = sheet.shape[0] - (2 + 2 * step)  # the labels
    assert band > 8 and sheet.shape[1] == 2 + 3 * step
    for s in range(3):
        for n in range(2):
            top, left = 2 + band + n * step, 2 + s * step
            np.testing.assert_array_equal(sheet[top : top + 84 : 3, left : left + 84 : 3], frames[s, n])


def test_wrong_pictures_teach(tmp_path: Path) -> None:
    path, images = tmp_path / "a.png", random_images(2, 4, 4)
    for bad in (images.astype(np.float32), images[0], images[:0]):
        with pytest.raises(ValueError, match=r"save_grid: wanted pictures \(N, H, W\) of uint8"):
            save_grid(path, bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 pictures need 2 captions, got 1"):
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
    with pytest.raises(CheckpointError, match=r"a\.png: could not be written"):
        save_loss_curve(tmp_path / "missing" / "a.png", {"unet": [1.0]})


def test_segmentation_shows_what_was_found_and_what_was_not() -> None:
    instances = np.array([[1, 1, 0, 2, 2, 0, 3, 3, 0, 0]], np.int32)
    found = np.array([[1, 1, 0, 1, 1, 0, 1, 1, 0, 1]], bool)
    truth, picture = (_coloured_cells(instances, mask)[0] for mask in (instances > 0, found))
    assert len({tuple(colour) for colour in truth}) == 4  # three cells, and the ground
    np.testing.assert_array_equal(picture[:9], truth[:9])
    np.testing.assert_array_equal(picture[9], [1, 1, 1])  # found no cell: white

    merged, nothing = (_coloured_cells(instances, np.full((1, 10), value))[0] for value in (True, False))
    red = merged[0]
    assert red[0] > 0.8 and red[1:].max() < 0.2 and (merged == red).all()
    np.testing.assert_array_equal(nothing[2], truth[2])
    assert (nothing[[0, 3, 6]] < truth[[0, 3, 6]]).all() and (nothing[[0, 3, 6]] > 0).all()  # darker, and the same hue
    np.testing.assert_allclose(nothing[0] / nothing[0].max(), truth[0] / truth[0].max())


def test_each_picture_has_its_own_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def coloured(instances: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        seen.append((int(instances.max()), int(mask.sum())))
        return np.zeros((*mask.shape, 3))

    monkeypatch.setattr("minisd.plots._coloured_cells", coloured)
    instances = np.zeros((2, 8, 8), np.int32)
    instances[0, 1:3, 1:3], instances[1, 4:7, 4:7] = 1, 2
    save_segmentation(tmp_path / "a.png", random_images(2, 8, 8), instances, {"a net": instances < 0})
    assert seen == [(1, 4), (1, 0), (2, 9), (2, 0)]


def test_segmentation_has_a_row_a_picture_and_a_column_a_network(tmp_path: Path) -> None:
    images, instances = random_images(2, 24, 24), np.zeros((2, 24, 24), np.int32)
    instances[:, 4:9, 4:9], instances[:, 12:20, 12:20] = 1, 2
    masks = {f"net {i}\nIoU: pixels 0.123, objects 0.123": instances > i for i in range(3)}
    save_segmentation(tmp_path / "a.png", images, instances, masks)
    save_segmentation(tmp_path / "b.png", images[:1], instances[:1], {"one": instances[:1] > 0})
    a, b = pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png")
    assert a.shape[1] > 1.6 * b.shape[1] and a.shape[0] > 1.6 * b.shape[0]
    for picture in (a, b):
        for edge in (picture[0], picture[-1]):
            assert (edge == 255).all()  # no title and no legend is cut off
    for wrong in (images[:0], images[0], images[:, :20]):
        with pytest.raises(ValueError, match=r"save_segmentation: wanted pictures \(N, H, W\), at least one"):
            save_segmentation(tmp_path / "a.png", wrong, instances, masks)
