"""Drawing in few steps: whom it asks how often, the same bits in any company, what it refuses, and how it is kept."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.checkpoint import CheckpointError, load_json, save_json
from minisd.few import FewInfo, FewSteps
from minisd.pipeline import Pipeline
from minisd.pipeline.few_steps import FROM_A_PICTURE, SETTLED, check_few
from minisd.pipeline.model import Model, Prompt

TEXTS = ["a seven", "a two", "an 8"]


@pytest.fixture
def pipeline(tiny: Pipeline) -> Pipeline:
    """A tiny model with a second network that differs from the first."""
    network = copy.deepcopy(tiny.denoiser)
    rng = np.random.default_rng(1)
    for parameter in network.parameters():
        parameter.data += 0.2 * rng.standard_normal(parameter.data.shape, np.float32)
    return replace(tiny, few=FewSteps(network, FewInfo(guidance=1.7, trained={"seed": 0})))


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.parametrize("few", [1, 2, 4])
def test_the_second_network_is_asked_once_a_step_and_the_first_never(
    pipeline: Pipeline, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, int]] = []
    predict_end = Model.predict_end

    def counted(model: Model, z_t: Array, t: Array, prompt: Prompt) -> Array:
        asked.append((float(t[0]), len(z_t)))
        return predict_end(model, z_t, t, prompt)

    monkeypatch.setattr(Model, "predict_end", counted)
    monkeypatch.setattr(Model, "predict", lambda *_: pytest.fail("the first network was asked"))
    shown: list[float] = []
    pictures = pipeline.draw(TEXTS, few=few, callback=lambda step, t, z_t, z_0: shown.append(t))
    assert pictures.shape == (3, 16, 16) and pictures.dtype == np.uint8
    assert asked == [(t, 3) for t in shown] == [(t, 3) for t in (999, 749, 499, 249)[:: 4 // few]]


@pytest.mark.usefixtures("numpy_backend")
def test_each_step_begins_with_fresh_noise_on_the_end_of_the_one_before(pipeline: Pipeline) -> None:
    steps: list[tuple[float, Array, Array]] = []
    pipeline.draw(TEXTS[:1], few=4, seed=3, callback=lambda step, t, z_t, z_0: steps.append((t, z_t, z_0)))
    stream, z_0 = np.random.default_rng([3, 0]), np.zeros((1, 4, 4, 4))
    for t, z_t, z_0_next in steps:
        noise = stream.standard_normal((4, 4, 4))
        _, alpha, sigma = pipeline.schedule.level(t)
        wanted = noise if t == 999 else alpha * z_0[0] + sigma * noise
        np.testing.assert_allclose(z_t[0], wanted, atol=1e-5)
        z_0 = z_0_next


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.parametrize("few", [1, 2, 4])
def test_a_picture_is_its_own_whatever_the_batch(pipeline: Pipeline, few: int) -> None:
    together = pipeline.draw(TEXTS, few=few, seed=3)
    for batch in (1, 2):
        np.testing.assert_array_equal(pipeline.draw(TEXTS, few=few, seed=3, batch=batch), together)
    np.testing.assert_array_equal(pipeline.draw(TEXTS[:1], few=few, seed=3), together[:1])
    assert np.any(pipeline.draw(TEXTS, few=few, seed=4) != together)
    assert (
        len(np.unique([together, *(pipeline.draw(TEXTS, few=n, seed=3) for n in (1, 2, 4) if n != few)], axis=0)) == 3
    )


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.filterwarnings("ignore:.*never saw")
def test_what_goes_with_few_steps(pipeline: Pipeline) -> None:
    """Ways between prompts and seeds, variations, weighted words, another layer of the text encoder."""
    plain = pipeline.draw(["a seven"] * 3, few=2)
    wishes: list[dict[str, Any]] = [{"to": "an 8"}, {"to_seed": 5}, {"variation": 0.3}, {"clip_skip": 2}]
    for wish in wishes:
        assert np.any(pipeline.draw(["a seven"] * 3, few=2, **wish) != plain), wish
    assert np.any(pipeline.draw(["a (seven:2)"] * 3, few=2) != plain)
    np.testing.assert_array_equal(pipeline("a seven", num=3, few=2), plain)


@pytest.mark.parametrize("name", SETTLED)
def test_what_was_settled_when_it_was_distilled(pipeline: Pipeline, name: str) -> None:
    value: Any = {
        "steps": 4,
        "sampler": "ddim",
        "spacing": "leading",
        "negative_prompt": "",
        "guidance_interval": (1, 2),
    }
    with pytest.raises(ValueError, match=f"as it was distilled, with guidance 1.7; leave out {name}, or few"):
        pipeline.draw(TEXTS, few=4, **{name: value.get(name, 0.5)})


def test_it_begins_with_noise(pipeline: Pipeline) -> None:
    image = np.zeros((16, 16), np.uint8)
    wishes: list[dict[str, Any]] = [{"image": image}, {"strength": 0.5}, {"mask_image": image}, {"resample": 2}]
    assert [name for wish in wishes for name in wish] == [*FROM_A_PICTURE]
    for wish in wishes:
        with pytest.raises(ValueError, match=f"begins with noise, never with a picture; leave out {next(iter(wish))}"):
            pipeline.draw(TEXTS, few=4, **wish)


def test_numbers_of_steps_that_it_does_not_know(pipeline: Pipeline, tiny: Pipeline) -> None:
    for few in (0, 3, 5, 8):
        with pytest.raises(ValueError, match=f"wanted 1, 2 or 4 steps, got {few}"):
            pipeline.draw(TEXTS, few=few)
    with pytest.raises(
        ValueError, match="no network that draws in few steps; train one with: minisd train --stage few"
    ):
        tiny.draw(TEXTS, few=4)
    assert check_few(pipeline, 2) is pipeline.few


def test_a_lora_is_not_in_it(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "loras", property(lambda model: (("a LoRA", 1.0),)))
    with pytest.raises(ValueError, match="distilled without a LoRA; leave out few, or the LoRA"):
        pipeline.draw(TEXTS, few=4)


def test_more_steps_than_the_model_has_times(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match=r"wanted 1\.\.3 steps"):
        replace(pipeline, info=replace(pipeline.info, timesteps=3))


def test_a_model_keeps_it(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save(tmp_path)
    again = Pipeline.load(tmp_path)
    assert again.few is not None and pipeline.few is not None
    assert again.few.info == pipeline.few.info
    for name, array in again.few.network.state_dict().items():
        np.testing.assert_array_equal(array, pipeline.few.network.state_dict()[name].astype(np.float16))
    for name, array in again.denoiser.state_dict().items():
        np.testing.assert_array_equal(array, pipeline.denoiser.state_dict()[name].astype(np.float16))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"few_info": None}, "FewInfo: wanted its fields by name, got None"),
        ({"few_info": {"steps": 0}}, "FewInfo: steps: wanted a whole number from 1"),
        ({"few_info": {"steps": 3, "sampler_steps": 8}}, "FewInfo: sampler_steps: wanted a multiple of 3, got 8"),
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


def test_a_model_whose_second_network_is_missing(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save(tmp_path)
    (tmp_path / "few.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"few\.safetensors"):
        Pipeline.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("steps", 1.5), ("steps", 3), ("prediction", "magic"), ("guidance", -1), ("guidance", None),
     ("guidance_interval", (5, 1)), ("guidance_interval", [1, 5]), ("guidance_interval", (1, 2, 3)),
     ("sampler", "magic"), ("sampler_steps", 9), ("sampler_steps", 0), ("trained", [])],
)  # fmt: skip
def test_no_file_is_trusted(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"FewInfo: .*: wanted"):
        FewInfo(**{name: value})
    assert FewInfo(steps=6, sampler_steps=12).choices == [1, 2, 3, 6]
