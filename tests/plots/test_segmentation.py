"""Segmented cells in colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import pixels, random_images

from minisd.plots import save_segmentation
from minisd.plots.segmentation import _coloured_cells


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

    monkeypatch.setattr("minisd.plots.segmentation._coloured_cells", coloured)
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
