"""What a PNG says of itself, and files that say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from minisd.checkpoint import CheckpointError
from minisd.plots import load_about, save_grid

PICTURE = np.zeros((1, 4, 4), np.uint8)


@pytest.mark.parametrize("prompts", [["a seven"], ["七", 'a "seven"\n\0\x1b[31m', "\udcff"], ["a seven"] * 3000])
def test_what_is_written_is_read_again(tmp_path: Path, prompts: list[str]) -> None:
    about = {"prompts": prompts, "seed": 2**70, "guidance": 1.5, "hires": True}
    save_grid(tmp_path / "a.png", PICTURE, about=about)
    assert load_about(tmp_path / "a.png") == about
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.text["Description"].startswith(prompts[0][:7])  # type: ignore[attr-defined]


def test_files_that_do_not_say_how_they_were_drawn(tmp_path: Path) -> None:
    def with_text(name: str, text: str) -> None:
        chunks = PngInfo()
        chunks.add_text("minisd", text)
        Image.new("L", (4, 4)).save(tmp_path / name, pnginfo=chunks)

    with_text("broken.png", "{")
    with_text("deep.png", "[" * 100_000)
    with_text("list.png", "[1]")
    with_text("nothing.png", "{}")
    save_grid(tmp_path / "plain.png", PICTURE)
    Image.new("L", (4, 4)).save(tmp_path / "picture.jpg")
    (tmp_path / "text.png").write_text("a seven")
    (tmp_path / "empty.png").touch()
    (tmp_path / "cut.png").write_bytes((tmp_path / "plain.png").read_bytes()[:40])
    for name in ("broken.png", "deep.png", "list.png", "nothing.png", "plain.png"):
        with pytest.raises(CheckpointError, match=f"{name} does not say how it was drawn"):
            load_about(tmp_path / name)
    for name in ("picture.jpg", "text.png", "empty.png"):
        with pytest.raises(CheckpointError, match=f"{name} is no PNG file that can be read"):
            load_about(tmp_path / name)
    for name, said in (("cut.png", "cut.png"), ("missing.png", "No such file"), (".", "Is a directory")):
        with pytest.raises(CheckpointError, match=said):
            load_about(tmp_path / name)
