"""From a drawing to a larger one: the three ways, what a model must have for them, and how it is kept."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minisd_kernels.switches import use_threads

from minisd.checkpoint import CheckpointError, load_json, save_json
from minisd.data import draw_strokes
from minisd.hires import HIRES_UNET, HiresInfo, Upscaler
from minisd.models.levels import Level
from minisd.models.unet import UNet
from minisd.pipeline import Pipeline
from minisd.pipeline import enlarging as room
from minisd.pipeline.enlarging import WAYS, by_bicubic, by_img2img, check_size, enlarge

TEXTS = ["a seven", "a two", "an 8"]


@pytest.fixture
def pipeline(tiny: Pipeline) -> Pipeline:
    """A tiny model, 16 x 16, with a tiny network that doubles badly."""
    rng = np.random.default_rng(0)
    config = replace(HIRES_UNET, groups=2, levels=(Level(8),), middle=Level(8), pooled_width=8, time_width=8)
    unet = UNet(config, rng=rng)
    for _, parameter in unet.named_parameters():
        parameter.data += 0.1 * rng.standard_normal(parameter.data.shape, np.float32)
    pipeline = copy.copy(tiny)
    pipeline.hires = Upscaler(unet, HiresInfo(steps=2, augmentation=3, trained={"seed": 0}))
    return pipeline


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.parametrize("way", WAYS)
def test_all_sizes_show_the_same_drawing_whatever_the_batch(
    pipeline: Pipeline, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings = pipeline.draw(TEXTS, seed=4)
    for size in (32, 64):
        large = pipeline.draw(TEXTS, seed=4, size=size, hires=way)
        assert large.shape == (3, size, size) and large.dtype == np.uint8
        monkeypatch.setattr(room, "BATCH", 2)
        done: list[int] = []
        again = enlarge(pipeline, drawings, TEXTS, size=size, seed=4, hires=way, watch=done.append)
        np.testing.assert_array_equal(again, large)
        assert done == [2, 1]
        np.testing.assert_array_equal(pipeline.draw(TEXTS[:1], seed=4, size=size, hires=way), large[:1])
        monkeypatch.undo()
    np.testing.assert_array_equal(pipeline.draw(TEXTS, seed=4, size=16, hires=way), drawings)


@pytest.mark.usefixtures("numpy_backend")
def test_image_to_image_draws_over_the_enlarged_picture(pipeline: Pipeline) -> None:
    drawings, texts = draw_strokes(2, 0, size=16).images, ["a digit"] * 2
    unchanged = pipeline.decode(pipeline.encode(by_bicubic(pipeline, drawings, texts, 32, 0))).astype(float)
    kept, changed = (by_img2img(pipeline, drawings, texts, 32, 0, strength=strength) for strength in (0.0, 0.6))
    assert np.abs(kept - unchanged).mean() < 0.5 * np.abs(changed - unchanged).mean()
    assert np.any(by_img2img(pipeline, drawings, texts, 32, 1, strength=0.6) != changed)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_shipped_model_draws_large_pictures_with_the_same_bits(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 1, 3 and 25, on one thread and on two."""
    pipeline, drawings, texts = Pipeline.load(), draw_strokes(25, 0).images, ["a digit"] * 25
    with use_threads(2):
        wanted = enlarge(pipeline, drawings, texts, size=112, seed=3, hires=way)
    for count, batch, threads in ((25, 25, 1), (6, 3, 2), (6, 3, 1), (2, 1, 2), (2, 1, 1)):
        monkeypatch.setattr(room, "BATCH", batch)
        with use_threads(threads):
            found = enlarge(pipeline, drawings[:count], texts[:count], size=112, seed=3, hires=way)
        np.testing.assert_array_equal(found, wanted[:count])


def test_a_size_or_a_way_that_there_is_not(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (None, 16, 32, 64):
        check_size(pipeline, size)
    with pytest.raises(ValueError, match="wanted 16, 32 or 64 pixels a side, got 57"):
        pipeline.draw(["a 7"], size=57)
    with pytest.raises(ValueError, match="no way to more pixels is called 'magic'; choose one of chain, img2img"):
        pipeline.draw(["a 7"], size=32, hires="magic")
    pipeline.hires = None
    with pytest.raises(
        ValueError, match="16 x 16 and has no network that goes on to 32 x 32; minisd trains such for 28"
    ):
        pipeline.draw(["a 7"], size=32)
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="to 56 x 56; train one with: minisd train"):
        patch.setattr(Pipeline, "picture_shape", property(lambda pipeline: (28, 28, 1)))
        check_size(pipeline, 56)
    check_size(pipeline, 32, "bicubic")


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


def test_models_without_it_are_kept_and_loaded_as_before(tiny: Pipeline, tmp_path: Path) -> None:
    tiny.save(tmp_path)
    assert not (tmp_path / "hires.safetensors").exists() and "hires" not in load_json(tmp_path / "model.json")
    assert Pipeline.load(tmp_path).hires is None
