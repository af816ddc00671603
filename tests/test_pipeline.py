"""From sentences to pictures: what a model's folder must hold, which options matter, and what a drawing answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minisd_kernels.backends import use_backend

from minisd.checkpoint import CheckpointError, load_json
from minisd.model_info import ModelInfo
from minisd.pipeline import Pipeline, shipped_model


@pytest.fixture(autouse=True)
def numpy_draws() -> Any:
    """A few steps of NumPy are over before Numba has read its kernels."""
    with use_backend("numpy"):
        yield


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline.load()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the model that comes with minisd, to be damaged."""
    shutil.copytree(shipped_model(), tmp_path / "model")
    return tmp_path / "model"


# What model.json may say


BAD = [
    ("scale_factor", 0),
    ("scale_factor", float("nan")),
    ("scale_factor", float("inf")),
    ("scale_factor", -1.8),
    ("scale_factor", "1.8"),
    ("scale_factor", True),
    ("scale_factor", 10**400),
    ("latent_size", (7,)),
    ("latent_size", (7, 0)),
    ("latent_size", (7.0, 7.0)),
    ("latent_size", (7, 10**9)),
    ("latent_size", 7),
    ("schedule", "sinus"),
    ("schedule", None),
    ("schedule", ["cosine"]),
    ("timesteps", 10**9),
    ("timesteps", 0),
    ("timesteps", 1000.0),
    ("timesteps", "1000"),
    ("prediction", "x_0"),
    ("prediction", None),
    ("clip_skip", 0),
    ("clip_skip", -1),
    ("clip_skip", "2"),
    ("clip_skip", False),
    ("words", None),
    ("words", "seven"),
    ("words", (7,)),
    ("guidance", float("nan")),
    ("guidance", -1),
    ("guidance", 1e308),
    ("guidance", None),
    ("guidance_interval", (300,)),
    ("guidance_interval", (800, 300)),
    ("guidance_interval", (-1, 300)),
    ("guidance_interval", (300, "800")),
    ("guidance_interval", None),
    ("steps", 0),
    ("steps", 1001),
    ("steps", 50.5),
    ("steps", "50"),
    ("sampler", "magic"),
    ("sampler", 3),
    ("trained", None),
    ("trained", [1]),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda value: str(value)[:20])
def test_every_field_is_checked(name: str, value: Any) -> None:
    good = ModelInfo(scale_factor=1.8)
    with pytest.raises(ValueError, match=rf"^ModelInfo: {name}: wanted .*, got "):
        replace(good, **{name: value})


def test_sound_fields_at_their_ends() -> None:
    ends = ModelInfo(scale_factor=1, timesteps=1, steps=1, clip_skip=1, guidance=0, guidance_interval=(0, 0))
    assert ends.steps == 1 and replace(ends, timesteps=100_000, steps=100_000, guidance=1000, scale_factor=1e6)


def edited(path: Path, change: Callable[[Any], None]) -> None:
    about = load_json(path)
    change(about)
    path.write_text(json.dumps(about))


def refused(folder: Path, *said: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        Pipeline.load(folder)
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda about: about["info"].update(clip_skip=9),
            "clip_skip: wanted 1 (the last layer) to 3",
        ),
        (lambda about: about["info"].update(words=None), "ModelInfo: words: wanted a list of words, got None"),
        (lambda about: about["info"].update(guidance_interval=[300]), "guidance_interval: wanted two whole numbers"),
        (lambda about: about["info"].update(timesteps=10**9), "timesteps: wanted a whole number from 1 to 100000, got"),
        (lambda about: about["info"].update(mood="good"), "ModelInfo: mood: there is no such field"),
        (lambda about: about["info"].pop("scale_factor"), "ModelInfo: scale_factor: is missing"),
        (lambda about: about.update(info=[]), "ModelInfo: wanted its fields by name, got []"),
        (lambda about: about.pop("unet"), "UNetConfig: wanted its fields by name, got None"),
        (
            lambda about: about["clip"].update(layers=10**9),
            "CLIPConfig: layers: wanted a whole number",
        ),
        (lambda about: about["clip"].update(vocabulary=577), "CLIPConfig: vocabulary: wanted 576, to fit"),
        (lambda about: about["clip"].update(end_id=3), "CLIPConfig: end_id: wanted 575, to fit"),
        (lambda about: about["vae"].update(groups=0), "VAEConfig: groups: wanted a whole number"),
        (lambda about: about["vae"].update(latent_channels=3), "UNetConfig: latent_channels: wanted 3, to fit"),
        (lambda about: about["vae"].update(image_channels=3), "VAEConfig: image_channels: wanted 1, to fit"),
        (lambda about: about["unet"].update(context_width=32), "UNetConfig: context_width: wanted 64, to fit"),
        (lambda about: about["unet"].update(pooled_width=32), "UNetConfig: pooled_width: wanted 64, to fit"),
        (lambda about: about.update(sha256={"vae.safetensors": "0"}), "sha256: wanted a digest of each of"),
        (lambda about: about.update(sha256=7), "sha256: wanted a digest of each of"),
        (lambda about: about.update(format=3), "its format is 3, this minisd reads formats 1 to 2"),
        (lambda about: about.update(format=1, unet=None), ""),
    ],
)
def test_model_json_is_read_field_by_field(folder: Path, change: Callable[[Any], None], said: str) -> None:
    edited(folder / "model.json", change)
    refused(folder, "model.json does not describe a minisd model: ", said)


@pytest.mark.parametrize("text", ["{}", "[" * 100_000, "", "null"])
def test_a_damaged_tokenizer_is_named(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    refused(folder, "tokenizer.json: damaged: tokenizer: ")


# Damage and digests


FILES = ("vae.safetensors", "clip.safetensors", "unet.safetensors", "tokenizer.json")


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_is_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    refused(folder, f"{name}: damaged: ")


def test_models_without_digests_still_load(folder: Path, pipeline: Pipeline) -> None:
    edited(folder / "model.json", lambda about: about.pop("sha256"))
    np.testing.assert_array_equal(Pipeline.load(folder).draw(["a 7"], steps=1), pipeline.draw(["a 7"], steps=1))


def test_a_path_may_be_text(tmp_path: Path, pipeline: Pipeline) -> None:
    (tmp_path / "copy").mkdir()
    pipeline.save(str(tmp_path / "copy"))
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {*FILES, "model.json"}
    assert load_json(tmp_path / "copy" / "model.json") == load_json(shipped_model() / "model.json")
    for name in FILES:
        assert (tmp_path / "copy" / name).read_bytes() == (shipped_model() / name).read_bytes()
    assert Pipeline.load(str(tmp_path / "copy")).info == pipeline.info
