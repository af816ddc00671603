"""From a drawing to a larger one: the three ways, what a model must have for them, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisd.checkpoint import CheckpointError, load_json, save_json
from minisd.data import draw_strokes
from minisd.hires import HIRES_UNET, HiresInfo, Upscaler
from minisd.models.levels import Level
from minisd.models.unet import UNet
from minisd.pipeline import Pipeline, shipped_model
from minisd.pipeline import enlarging as room
from minisd.pipeline.enlarging import WAYS, by_bicubic, by_img2img, check_size, enlarge

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture
def pipeline() -> Pipeline:
    """The model that comes with minisd, with a tiny network that doubles badly."""
    tiny = replace(HIRES_UNET, levels=(Level(8),), middle=Level(8), pooled_width=8, time_width=8)
    pipeline = Pipeline.load()
    unet = UNet(tiny, rng=np.random.default_rng(0))
    pipeline.info = replace(pipeline.info, steps=1)
    pipeline.hires = Upscaler(unet, HiresInfo(steps=2, augmentation=3, trained={"seed": 0}))
    return pipeline


@pytest.mark.parametrize("way", WAYS)
def test_all_sizes_show_the_same_drawing_whatever_the_batch(
    pipeline: Pipeline, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a seven", "a two", "an 8"]
    drawings = pipeline.draw(texts, seed=4)
    large = pipeline.draw(texts, seed=4, size=56, hires=way)
    assert large.shape == (3, 56, 56) and large.dtype == np.uint8
    monkeypatch.setattr(room, "BATCH", 2)
    done: list[int] = []
    again = enlarge(pipeline, drawings, texts, size=56, seed=4, hires=way, watch=done.append)
    np.testing.assert_array_equal(again, large)
    assert done == [2, 1]
    np.testing.assert_array_equal(pipeline.draw(texts, seed=4, size=28, hires=way), drawings)
    np.testing.assert_array_equal(pipeline.draw(texts[:1], seed=4, size=56, hires=way), large[:1])


def test_image_to_image_draws_over_the_enlarged_picture(pipeline: Pipeline) -> None:
    drawings, texts = draw_strokes(2, 0).images, ["a digit"] * 2
    smooth = by_bicubic(pipeline, drawings, texts, 56, 0).astype(float)
    kept, changed = (by_img2img(pipeline, drawings, texts, 56, 0, strength=strength) for strength in (0.02, 0.6))
    assert np.abs(kept - smooth).mean() < 0.5 * np.abs(changed - smooth).mean()
    assert np.any(by_img2img(pipeline, drawings, texts, 56, 1, strength=0.6) != changed)


def test_a_size_or_a_way_that_there_is_not(pipeline: Pipeline) -> None:
    for size in (None, 28, 56, 112):
        check_size(pipeline, size)
    with pytest.raises(ValueError, match="wanted 28, 56 or 112 pixels a side, got 57"):
        pipeline.draw(["a 7"], size=57)
    with pytest.raises(ValueError, match="no way to more pixels is called 'magic'; choose one of chain, img2img"):
        pipeline.draw(["a 7"], size=56, hires="magic")
    pipeline.hires = None
    with pytest.raises(ValueError, match="28 x 28 and has no network that goes on to 56 x 56; train one with: minisd"):
        pipeline.draw(["a 7"], size=56)
    check_size(pipeline, 56, "bicubic")


def test_coloured_drawings_stay_small(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "picture_shape", property(lambda pipeline: (32, 32, 3)))
    with pytest.raises(ValueError, match="wanted 32, 64 or 128 pixels a side, got 56"):
        check_size(pipeline, 56)
    with pytest.raises(ValueError, match="only grey pictures"):
        check_size(pipeline, 64)


def test_a_model_keeps_its_second_network(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save(tmp_path)
    again = Pipeline.load(tmp_path)
    assert again.hires is not None and pipeline.hires is not None
    assert again.hires.info == pipeline.hires.info and again.hires.unet.config == pipeline.hires.unet.config
    for name, array in again.hires.unet.state_dict().items():
        np.testing.assert_array_equal(array, pipeline.hires.unet.state_dict()[name].astype(np.float16))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hires": None}, "UNetConfig: wanted its fields by name, got None"),
        ({"hires_info": None}, "HiresInfo: wanted its fields by name, got None"),
        ({"hires_info": {"steps": 0}}, "HiresInfo: steps: wanted a whole number from 1"),
        ({"hires": {"latent_channels": 4}}, "hires: UNetConfig: hint_channels: wanted 1, got 0"),
    ],
)
def test_what_model_json_says_of_it_is_checked(
    pipeline: Pipeline, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    pipeline.save(tmp_path)
    save_json(tmp_path / "model.json", load_json(tmp_path / "model.json") | change)
    with pytest.raises(CheckpointError, match="does not describe a minisd model: ") as caught:
        Pipeline.load(tmp_path)
    assert said in str(caught.value)


def test_models_without_it_load_as_before(tmp_path: Path) -> None:
    pipeline = Pipeline.load()
    pipeline.hires = None
    pipeline.save(tmp_path)
    assert not (tmp_path / "hires.safetensors").exists()
    assert Pipeline.load(tmp_path).hires is None
    assert "hires" not in load_json(tmp_path / "model.json")
    assert (shipped_model() / "unet.safetensors").read_bytes() == (tmp_path / "unet.safetensors").read_bytes()
