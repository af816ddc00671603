"""minisd hires, and draw --size: what they write and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import minisd, refused
from PIL import Image

from minisd.cli.drawing_options import drawing_options
from minisd.hires import HiresInfo, Upscaler
from minisd.pipeline import Pipeline
from minisd.pipeline.enlarging import WAYS


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are doubled by repeating pixels, and drawn in no time."""

    def double(upscaler: Upscaler, images: Any, **options: Any) -> Any:
        return images.repeat(2, axis=1).repeat(2, axis=2)

    monkeypatch.setattr(Upscaler, "double", double)
    load = Pipeline.load.__func__  # type: ignore[attr-defined]

    def loaded(cls: type[Pipeline], path: Path | None = None) -> Pipeline:
        pipeline: Pipeline = load(cls, path)
        pipeline.hires = object.__new__(Upscaler)
        pipeline.hires.unet, pipeline.hires.info = pipeline.denoiser, HiresInfo()
        return pipeline

    monkeypatch.setattr(Pipeline, "load", classmethod(loaded))


def draw(*arguments: Any) -> Any:
    return minisd("--backend", "numpy", "draw", "a seven", "--steps", 1, *arguments)


@pytest.mark.usefixtures("doubling")
def test_a_larger_drawing_has_its_pixels_and_its_steps(tmp_path: Path) -> None:
    result = draw("--size", 112, "--out", "a.png", "--npz", "a.npz", "--show-steps")
    assert result.exit_code == 0, result.output
    assert np.load("a.npz")["images"].shape == (1, 112, 112)
    with Image.open("a.png") as picture:
        assert picture.width % 112 == 0
    assert "--size 112" in minisd("info", "a.png").stdout


def test_the_ways_are_those_that_there_are() -> None:
    (option,) = [each for each in drawing_options(lambda: None).__click_params__ if each.name == "hires"]  # type: ignore[attr-defined]
    assert list(option.type.choices) == list(WAYS)


@pytest.mark.usefixtures("doubling")
def test_sizes_and_ways_that_cannot_be_drawn() -> None:
    refused(draw("--size", 57), "--size: wanted 28, 56 or 112 pixels a side, got 57")
    refused(draw("--hires", "bicubic"), "--hires is a way to a larger --size")
    refused(minisd("hires", "--size", 57), "wanted 28, 56 or 112 pixels a side, got 57")
    refused(minisd("hires", "--size", 28), "28 is what the model draws by itself")
    refused(minisd("hires", "--num", 10**11), "100,000,000,000 pictures need about")


@pytest.mark.usefixtures("doubling")
def test_the_comparison_is_printed_drawn_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.cli.hires.compile_first", lambda device: None)
    pictures = {name: np.zeros((10, 112, 112), np.uint8) for name in ("drawing", *WAYS)}
    monkeypatch.setattr("minisd.evaluation.hires.compare", lambda *_, **options: ([], pictures))
    monkeypatch.setattr("minisd.evaluation.hires.table", lambda report, size: [f"the table at {size}"])
    result = minisd("hires", "--num", 10, "--json", "a.json", "--out", "a.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["the table at 112", "wrote a.json", "wrote a.png"]
    assert json.loads(Path("a.json").read_text()) == {"size": 112, "ways": []}
    with Image.open("a.png") as picture:
        assert picture.width > 8 * 112
    refused(minisd("hires", "--json", "a.json"), "a.json is there already")


def test_training_options_that_do_not_go_together() -> None:
    refused(minisd("train", "--stage", "hires", "--data", "folder", "--data-dir", "."), "--data mnist or strokes")
    refused(minisd("train", "--model", "."), "--model is for --lora, --stage hires and few")
