"""What a chapter shows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minisd.course import show_rows


def test_rows_of_pictures_stand_behind_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "chapter.py"), raising=False)
    dark, light = np.zeros((3, 4, 4), np.uint8), np.full((2, 4, 4), 255, np.uint8)
    show_rows({"dark": dark, "light": light}, "page", headings=["a", "b", "c"], notes={"light": ["one", "two"]})
    with Image.open(tmp_path / "output" / "page.png") as picture:
        grey = np.asarray(picture.convert("L"))
    assert (grey[:, grey.shape[1] // 2] < 10).any(), "the dark pictures are there"
    assert grey[0].min() == grey[-1].min() == grey[:, 0].min() == grey[:, -1].min() == 255, "nothing is cut off"
