"""What a LoRA is given to learn from, and that it alone is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from stopping import stopped_at
from tiny_model import tiny_pipeline

from minisd import plots
from minisd.autograd import Tensor
from minisd.checkpoint import CheckpointError
from minisd.data.dataset import CaptionedPictures
from minisd.data.strokes import draw_strokes
from minisd.lora import load_lora
from minisd.nn.lora import LoRA
from minisd.pipeline import Pipeline
from minisd.train import run as run_module
from minisd.train.loop import Fit
from minisd.train.lora import FEW, KNOWN, REACH, LoRATask, as_drawn, shifted, with_what_is_known
from minisd.train.run import Run, Settings

pytestmark = pytest.mark.usefixtures("numpy_backend")

PICTURES = CaptionedPictures(draw_strokes(6, 0, size=16).images, ["a heart"] * 5 + ["a star"])
RNG = np.random.default_rng(0)


@pytest.fixture
def model() -> Pipeline:
    return tiny_pipeline()


def silent(line: str) -> None:
    pass


def test_twenty_steps_lower_the_loss_and_leave_the_model_as_it_is(model: Pipeline) -> None:
    networks = (model.vae, model.clip, model.denoiser)
    before = [network.flat_parameters().copy() for network in networks]
    lora = LoRA.beginning(model.denoiser, 4, rng=np.random.default_rng(0))
    task = LoRATask(PICTURES, model, lora)
    task.recipe = dataclasses.replace(task.recipe, peak_lr=1e-2, warmup=2)
    batches = [task.batch(np.arange(32), np.random.default_rng(seed)) for seed in range(4)]

    def loss() -> float:
        return float(np.mean([task.loss(*map(Tensor, batch)).item() for batch in batches]))

    with lora.beside(model.denoiser):
        first, fit = loss(), Fit(task, seed=0, steps=20)
        for _ in range(20):
            fit.step()
        last = loss()
    assert last < 0.9 * first
    for network, weights in zip(networks, before, strict=True):
        np.testing.assert_array_equal(network.flat_parameters(), weights)
        assert all(parameter.grad is None for parameter in network.parameters())
    assert fit.optimizer.m.size == lora.parameter_count() < model.denoiser.parameter_count()
    assert all(np.any(change.up.data != 0) for change in lora.layers.values())


def test_few_pictures_are_shifted_and_each_keeps_its_caption() -> None:
    many = shifted(PICTURES)
    ways = (2 * REACH + 1) ** 2
    assert many.images.shape == (6 * ways, 16, 16) and many.texts == [*PICTURES.texts] * ways
    middle = ways // 2 * 6
    np.testing.assert_array_equal(many.images[middle : middle + 6], PICTURES.images)
    np.testing.assert_array_equal(many.images[:6, REACH:, REACH:], PICTURES.images[:, :-REACH, :-REACH])
    np.testing.assert_array_equal(many.images[:6, 0], many.images[:6, REACH])  # the edge, repeated
    colour = CaptionedPictures(np.zeros((2, 8, 12, 3), np.uint8), ["a", "b"])
    assert shifted(colour).images.shape == (2 * ways, 8, 12, 3)


def test_a_batch_is_smaller_than_five_pictures_with_their_shifts(model: Pipeline) -> None:
    five = CaptionedPictures(PICTURES.images[:5], PICTURES.texts[:5])
    fit = Fit(LoRATask(five, model, LoRA.beginning(model.denoiser, 1, rng=RNG)), seed=0, steps=1)
    assert fit.task.sample_count == 45 + 45 and fit.batch_size == 32
    enough = CaptionedPictures(np.zeros((FEW, 16, 16), np.uint8), ["a"] * FEW)
    task = LoRATask(enough, model, LoRA.beginning(model.denoiser, 1, rng=RNG))
    assert task.sample_count == FEW + 4 * KNOWN and task.taught == ["a"]  # none is shifted


def test_every_picture_is_told_its_caption(model: Pipeline) -> None:
    task = LoRATask(PICTURES, model, LoRA.beginning(model.denoiser, 1, rng=RNG))
    samples = np.arange(task.sample_count)
    _, _, rows, *_ = task.batch(samples, np.random.default_rng(0))
    assert [task.rows[text] for text in task.data.captions(samples, RNG)] == rows.tolist()
    assert len(task.preview()) == 8


def test_what_the_model_knows_is_among_the_pictures_as_it_drew_it(model: Pipeline) -> None:
    model.info = dataclasses.replace(model.info, words=("(", "seven"))
    for copies in (1, 2):
        data = CaptionedPictures(np.concatenate([PICTURES.images] * copies), [*PICTURES.texts] * copies)
        many, N = with_what_is_known(model, data), len(data)
        own = 2 * copies  # of each: as many of the model's as of the new ones
        assert [*many.texts] == [*data.texts, *[""] * own, *["("] * own, *["seven"] * own]
        prompts = [r"\(" if text == "(" else text for text in many.texts[N:]]
        np.testing.assert_array_equal(many.images, [*data.images, *model.draw(prompts, seed=0, steps=20)])


def test_pictures_are_made_as_the_model_draws(model: Pipeline) -> None:
    dark_on_light = CaptionedPictures(255 - PICTURES.images, PICTURES.texts)
    said: list[str] = []
    made = as_drawn(model, dark_on_light, None, RNG, said.append)
    np.testing.assert_array_equal(made.images, PICTURES.images)
    assert list(made.texts) == list(PICTURES.texts) and "they were inverted" in said.pop()
    red = np.zeros((2, 16, 16, 3), np.uint8)
    red[:, 4:9, 4:9, 0] = 255
    made = as_drawn(model, CaptionedPictures(red, ["a", "b"]), "a red heart", RNG, said.append)
    assert made.texts == ["a red heart"] * 2 and "only how light they are" in said.pop() and not said
    assert made.images.shape == (2, 16, 16) and made.images.max() == 76
    with pytest.raises(CheckpointError, match="the model draws 16 x 16, and these pictures are 28 x 28"):
        as_drawn(model, CaptionedPictures(np.zeros((1, 28, 28), np.uint8), ["a"]), None, RNG, silent)


def test_grey_pictures_are_learned_by_a_model_that_draws_in_colour(
    model: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "picture_shape", property(lambda pipeline: (16, 16, 3)))
    made = as_drawn(model, CaptionedPictures(255 - PICTURES.images, PICTURES.texts), None, RNG, pytest.fail)
    np.testing.assert_array_equal(made.images, (255 - PICTURES.images)[..., None].repeat(3, axis=3))


# The run


@pytest.fixture
def base(model: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_module, "load_pictures", lambda name, split, source: PICTURES)
    monkeypatch.setattr(plots, "save_loss_curve", lambda *_: None)
    monkeypatch.setattr(LoRATask, "preview", lambda task: None)
    folder = tmp_path / "base"
    folder.mkdir()
    model.save(folder)
    return folder


def begun(base: Path, out: Path, **settings: object) -> Run:
    asked = Settings("folder", "pictures", steps=4, stage="lora", model=str(base), rank=2)
    return Run.start(out, dataclasses.replace(asked, **settings))  # type: ignore[arg-type]


def test_a_run_leaves_one_file_that_says_what_it_is(base: Path, tmp_path: Path) -> None:
    out = begun(base, tmp_path / "out").train(silent)
    file, model = load_lora(out / "lora.safetensors"), Pipeline.load(base)
    assert file.about.items() >= {
        "base": model.digest(), "words": "a heart star", "rank": "2", "steps": "4", "data": "folder", "stage": "lora",
    }.items()  # fmt: skip
    assert "data_dir" not in file.about and "model" not in file.about  # paths on somebody's machine
    assert {*(change.rank for change in file.lora.layers.values())} == {2} and not (out / "model.json").exists()
    assert model.add_lora(out / "lora.safetensors").remarks(["a star"]) == []
    said: list[str] = []
    Run.resume(out).train(said.append)
    assert said == [f"{out} is trained already"]
    with pytest.raises(CheckpointError, match="holds a training run already"):
        begun(base, out)


def test_one_caption_is_that_of_all(base: Path, tmp_path: Path) -> None:
    file = load_lora(begun(base, tmp_path / "out", caption="my cat").train(silent) / "lora.safetensors")
    assert file.words == ("cat", "my") and file.about["caption"] == "my cat"


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(base: Path, tmp_path: Path) -> None:
    straight = begun(base, tmp_path / "straight").train(silent)
    with stopped_at("lora", 2):
        begun(base, tmp_path / "stopped").train(silent)
    said: list[str] = []
    stopped = Run.resume(tmp_path / "stopped").train(said.append)
    assert "lora: going on from step 2" in said
    assert (stopped / "lora.safetensors").read_bytes() == (straight / "lora.safetensors").read_bytes()
