"""A whole run: what it begins with, plans, keeps and goes on with. The networks are real, the pictures few."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stopping import stopped_at

from minisd import plots
from minisd.autograd import Array
from minisd.checkpoint import CheckpointError, Checkpoints, load_arrays, load_json, load_module, save_json
from minisd.data import DataError, draw_strokes
from minisd.data.dataset import CaptionedPictures
from minisd.hires import HIRES_UNET
from minisd.models.dit import DiT, DiTConfig
from minisd.models.fitting import vae_config
from minisd.models.levels import Level
from minisd.nn import Module, Parameter
from minisd.pipeline import Pipeline
from minisd.train import run as run_module
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.few import FewTask
from minisd.train.hires import HiresTask
from minisd.train.loop import Fit, TrainingDiverged
from minisd.train.plan import Plan
from minisd.train.recipe import FewRecipe, Recipe, Recipes
from minisd.train.run import NETWORKS, Run, Settings, shares, time_shares, too_few
from minisd.train.vae import VAETask

PICTURES = CaptionedPictures(draw_strokes(4, 0).images, ["one", "nine", "five", "a dot"])


@pytest.fixture(scope="module", autouse=True)
def few_pictures() -> Any:
    """Few strokes to learn from, and no pictures of the progress."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "load_pictures", lambda name, split, source: PICTURES)
        patch.setattr(VAETask, "preview", lambda task: None)
        patch.setattr(DenoiserTask, "preview", lambda task: None)
        patch.setattr(plots, "save_loss_curve", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def undisturbed(few_pictures: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Run.start(tmp_path_factory.mktemp("run") / "out", Settings("strokes", steps=3)).train(lambda line: None)


def model(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (*(f"{n}.safetensors" for n in NETWORKS), "model.json")}


# What is kept


def test_the_average_is_kept_and_not_the_last_weights(undisturbed: Path) -> None:
    pipeline = Pipeline.load(undisturbed)
    for network, kept in (("clip", pipeline.clip), ("unet", pipeline.denoiser)):  # the VAE's states are no longer there
        checkpoints = undisturbed / "checkpoints"
        load_module(kept, checkpoints / f"{network}.safetensors")  # in float32
        state = load_arrays(checkpoints / f"{network}-00000003" / Checkpoints.ARRAYS)
        np.testing.assert_array_equal(kept.flat_parameters(), state["average.average"])
        last = [state[f"weights.{name}"] for name, _ in kept.named_parameters()]
        assert np.any(kept.flat_parameters() != np.concatenate([array.ravel() for array in last]))
        assert len(state["losses"]) == state["optimizer.steps"] == state["average.steps"] == 3


def test_the_model_says_how_it_was_made(undisturbed: Path) -> None:
    about = load_json(undisturbed / "model.json")["info"]
    made = about["trained"]
    assert (made["data"], made["seed"], made["steps"], made["planned"]) == ("strokes", 0, 3, {})
    assert "data_dir" not in made  # a path on somebody's machine
    assert (about["schedule"], about["prediction"], about["guidance_interval"]) == ("cosine", "v", [300, 800])
    assert about["words"] == ["a", "dot", "five", "nine", "one"]
    latents = encode_all(Pipeline.load(undisturbed).vae, PICTURES.images)[0]
    assert about["scale_factor"] == pytest.approx(1 / latents.std(), rel=1e-2)


def test_a_model_draws_with_what_it_was_trained_for(tmp_path: Path) -> None:
    settings = Settings("strokes", steps=1, objective="flow", weighting="min-snr")
    pipeline = Pipeline.load(Run.start(tmp_path / "out", settings).train(lambda line: None))
    info = pipeline.info
    assert (info.schedule, info.prediction, info.guidance_interval) == ("flow", "velocity", (342, 756))
    assert (info.trained["objective"], info.trained["weighting"]) == ("flow", "min-snr")
    assert pipeline.draw(["a 7"], steps=2).shape == (1, 28, 28)


def test_a_transformer_is_trained_in_the_u_nets_place(tmp_path: Path) -> None:
    settings = Settings("strokes", steps=2, network="dit")
    whole = Run.start(tmp_path / "whole", settings).train(lambda line: None)
    pipeline = Pipeline.load(whole)
    assert isinstance(pipeline.denoiser, DiT) and pipeline.denoiser.config == DiTConfig()
    assert pipeline.info.trained["network"] == "dit" and pipeline.draw(["a 7"], steps=2).shape == (1, 28, 28)
    with stopped_at("dit", 1):
        Run.start(tmp_path / "parts", settings).train(lambda line: None)
    said: list[str] = []
    Run.resume(tmp_path / "parts").train(said.append)
    assert "dit: going on from step 1" in said
    for name in ("vae.safetensors", "clip.safetensors", "dit.safetensors", "model.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (whole / name).read_bytes()
    assert not (whole / "unet.safetensors").exists()


def test_profiling_changes_nothing_and_says_where_the_time_went(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save_profile", lambda path, profiles: drawn.append((path, list(profiles))))
    said: list[str] = []
    Run.start(tmp_path / "out", Settings("strokes", steps=3)).train(said.append, profile=True)
    assert model(tmp_path / "out") == model(undisturbed)
    assert drawn == [(tmp_path / "out" / "profile.png", list(NETWORKS))]
    tables = "\n".join(said)
    for network in NETWORKS:  # the first two steps compile, and are not watched
        assert f"{network}: " in tables and tables.count("ms a step, mean of 1\n") == 3
    assert said[0] == "4 pictures of strokes, 28 x 28, grey"


# Going on


@pytest.mark.parametrize(("network", "step"), [("vae", 1), ("clip", 2), ("unet", 3)])
def test_who_goes_on_says_so_and_ends_with_the_same_model(
    undisturbed: Path, tmp_path: Path, network: str, step: int
) -> None:
    with stopped_at(network, step):
        Run.start(tmp_path / "out", Settings("strokes", steps=3)).train(lambda line: None)
    assert not (tmp_path / "out" / "model.json").exists()
    said: list[str] = []
    run = Run.resume(tmp_path / "out")
    assert run.seconds > 0
    run.train(said.append)
    assert [line for line in said if "going on" in line] == [f"{network}: going on from step {step}"]
    assert model(tmp_path / "out") == model(undisturbed)
    said.clear()
    Run.resume(tmp_path / "out").train(said.append)
    assert said == [f"{tmp_path / 'out'} is trained already"]


class Weights(Module):
    def __init__(self, size: int = 3) -> None:
        self.weight = Parameter(np.ones(size))


class Spy:
    """A task that stands for the network `name`."""

    recipe, sample_count = Recipe(batch=2, peak_lr=0.1), 4

    def __init__(self, name: str = "clip", size: int = 3) -> None:
        self.name, self.module = name, Weights(size)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        return (rng.random(len(self.module.weight)),)

    def loss(self, x: Any) -> Any:
        return (self.module.weight * x).sum()

    def preview(self) -> None:
        return None


def with_states(folder: Path, *states: tuple[str, int, int]) -> Checkpoints:
    """States (network, size, steps), one after the other."""
    checkpoints = Checkpoints(folder, keep=9)
    for network, size, steps in states:
        fit = Fit(Spy(network, size), seed=0, steps=9)
        for _ in range(steps):
            fit.step()
        checkpoints.save(f"{network}-{size}-{steps}", *fit.state())
    return checkpoints


def test_the_newest_state_that_fits_is_gone_on_with(tmp_path: Path) -> None:
    checkpoints = with_states(tmp_path, ("vae", 3, 8), ("clip", 3, 1), ("clip", 3, 2), ("clip", 4, 3))
    fit, said = Fit(Spy(), seed=0, steps=9), list[str]()
    Run(tmp_path, Settings())._go_on(fit, checkpoints, said.append)
    assert fit.steps_done == 2 and said[-1] == "clip: going on from step 2"
    assert "clip-4-3 does not fit this network" in said[0] and "going back" in said[0] and len(said) == 2


def test_a_damaged_state_is_said_and_the_one_before_it_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = with_states(tmp_path, ("clip", 3, 1), ("clip", 3, 2))
    path = tmp_path / "clip-3-2" / Checkpoints.ARRAYS
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    fit = Fit(Spy(), seed=0, steps=9)
    Run(tmp_path, Settings())._go_on(fit, checkpoints, lambda line: None)
    assert fit.steps_done == 1 and "clip-3-2: damaged: the SHA-256" in caplog.text


def test_where_no_state_fits_nothing_is_trained_over(tmp_path: Path) -> None:
    fit = Fit(Spy(), seed=0, steps=9)
    with pytest.raises(CheckpointError, match=r"clip-4-1 does not fit .*; remove .* to train this network anew"):
        Run(tmp_path, Settings())._go_on(fit, with_states(tmp_path, ("clip", 4, 1)), lambda line: None)


def test_states_of_other_networks_are_passed_over(tmp_path: Path) -> None:
    fit = Fit(Spy("unet"), seed=0, steps=9)
    checkpoints = with_states(tmp_path, ("clip", 3, 1))
    checkpoints.save("nameless", {}, {})
    Run(tmp_path, Settings())._go_on(fit, checkpoints, lambda line: pytest.fail(line))
    assert fit.steps_done == 0


# What it begins with, and plans


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Fit, Plan]]:
    """Every fit and plan that a run would have driven; no step is taken."""
    seen: list[tuple[Fit, Plan]] = []

    def note(fit: Fit, plan: Plan, **options: Any) -> None:
        seen.append((fit, plan))
        plan.totals.setdefault(10, 7)
        options["save"]()

    monkeypatch.setattr(run_module, "drive", note)
    return seen


def test_the_seed_decides_the_first_weights_and_the_steps(driven: list[tuple[Fit, Plan]], tmp_path: Path) -> None:
    for i, seed in enumerate((0, 1, 0)):
        Run.start(tmp_path / str(i), Settings("strokes", seed=seed, steps=7)).train(lambda line: None)
    assert [fit.task.name for fit, _ in driven] == [*NETWORKS] * 3
    assert [fit.seed for fit, _ in driven] == [0] * 3 + [1] * 3 + [0] * 3
    assert {plan.total(0) for _, plan in driven} == {7}
    first = [fit.optimizer.weights for fit, _ in driven]
    for a, b, again in zip(first[:3], first[3:6], first[6:], strict=True):
        assert np.any(a != b)
        np.testing.assert_array_equal(a, again)


def test_the_time_counts_from_when_all_is_ready(
    driven: list[tuple[Fit, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever came before, compiling say, the VAE begins with its share of all the minutes."""
    now = [0.0]
    monkeypatch.setattr(run_module.time, "monotonic", lambda: now[0])

    def prepare() -> None:
        now[0] += 500

    Run.start(tmp_path / "out", Settings("strokes", minutes=10)).train(lambda line: None, prepare=prepare)
    made = load_json(tmp_path / "out" / "model.json")["info"]["trained"]
    assert made["planned"] == {network: [[10, 7]] for network in NETWORKS} and made["minutes"] == 10
    assert [plan._seconds for _, plan in driven] == pytest.approx([600 * 0.16, 600 * 0.11 / 0.84, 600])


def test_larger_pictures_take_more_of_the_time_for_what_works_on_pictures() -> None:
    usual, dit = shares(Settings(), Recipes()), shares(Settings(network="dit"), Recipes())
    assert time_shares((28, 28, 1), usual) == pytest.approx(usual)
    assert time_shares((64, 64, 3), dit)["dit"] == time_shares((64, 64, 3), usual)["unet"]
    for picture in ((16, 16, 1), (32, 32, 3), (64, 64, 3), (48, 20, 1)):
        parts, pixels = time_shares(picture, usual), picture[0] * picture[1]
        latents = pixels / vae_config(picture).factor ** 2
        assert sum(parts.values()) == pytest.approx(1)
        assert parts["vae"] / parts["unet"] == pytest.approx(0.16 / 0.73 * (pixels / 784) / (latents / 49))
        assert parts["clip"] / parts["vae"] == pytest.approx(0.11 / 0.16 / (pixels / 784))


def test_a_network_gets_its_share_of_the_time_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 minutes, 100 s of which are over when it begins; its task took 10 s to make."""
    run = Run(tmp_path, Settings(minutes=10))
    run._sitting = 1000.0
    monkeypatch.setattr(run_module.time, "monotonic", lambda: 1110.0)
    wanted = {"vae": 0.16 * 500 - 10, "clip": 0.11 / 0.84 * 500 - 10, "unet": 490}
    for network, seconds in wanted.items():
        assert run._plan(network, 100.0, print).seconds_left() == pytest.approx(seconds)


def test_a_plan_is_written_down_and_kept_to(tmp_path: Path) -> None:
    run, said = Run(tmp_path, Settings(minutes=10)), list[str]()
    run._sitting = 0.0
    plan = run._plan("unet", 0.0, said.append)
    for made, total in ((10, 400), (90, 300)):
        plan.totals[made] = total
        plan._changed()
    assert len(said) == 1 and "unet: about 400 steps" in said[0] and "--minutes" in said[0]
    assert load_json(tmp_path / "recipe.json")["planned"] == {"unet": [[10, 400], [90, 300]]}
    again = Run.resume(tmp_path)
    assert again.planned == {"unet": {10: 400, 90: 300}} and again.settings == run.settings
    again._sitting = 0.0
    plan = again._plan("unet", 0.0, said.append)
    assert [plan.total(n) for n in (9, 10, 89, 90)] == [None, 400, 400, 300]
    plan._changed()
    assert len(said) == 1


def test_too_few_steps_are_measured_by_those_of_the_model_that_comes_with_minisd() -> None:
    assert too_few("unet", 10**6) is None
    hint = too_few("unet", 100)
    assert hint is not None and "100 steps" in hint and "the model that comes with minisd" in hint


# What cannot begin, or go on


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> None:
        assert (tmp_path / "runs" / "mnist" / ".lock").exists()
        raise DataError("no pictures")

    monkeypatch.setattr(run_module, "load_pictures", missing)
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "runs" / "mnist", tmp_path / "mine"):
        monkeypatch.chdir(tmp_path)
        with pytest.raises((DataError, AssertionError)):
            Run.start(folder, Settings()).train(lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("saved", [False, True])
def test_divergence_names_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    def diverging(fit: Fit, plan: Plan, **options: Any) -> None:
        if saved:
            options["save"]()
        raise TrainingDiverged("vae, step 7: the loss is nan")

    monkeypatch.setattr(run_module, "drive", diverging)
    said = "the last good checkpoint is vae-00000000" if saved else "no checkpoint was written yet"
    with pytest.raises(TrainingDiverged, match=f"vae, step 7: the loss is nan; {said}"):
        Run.start(tmp_path / "out", Settings("strokes", steps=9)).train(lambda line: None)


def test_the_preview_shows_the_average_and_the_weights_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, shown, drawn = Fit(Spy("vae"), seed=0, steps=9), [], []
    fit.step()
    own = fit.optimizer.weights.copy()

    def preview() -> Array:
        shown.append(fit.task.module.weight.data.copy())  # type: ignore[attr-defined]
        return np.zeros((2, 28, 28), np.uint8)

    monkeypatch.setattr(fit.task, "preview", preview)
    monkeypatch.setattr(plots, "save_loss_curve", lambda path, losses: drawn.append((path.name, losses)))
    monkeypatch.setattr(plots, "save_grid", lambda path, pictures, columns: drawn.append((path.name, len(pictures))))
    Run(tmp_path, Settings())._preview(fit)
    np.testing.assert_array_equal(shown[0], fit.ema.average)
    np.testing.assert_array_equal(fit.optimizer.weights, own)
    assert np.any(own != fit.ema.average)
    assert drawn == [("loss-vae.png", {"vae": fit.losses}), ("vae-000001.png", 2)]


SOUND = {"settings": {"data": "mnist", "seed": 3}, "planned": {"vae": [[10, 900]], "clip": 7}, "seconds": 12.5}


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_json(tmp_path / "recipe.json", SOUND)
    run = Run.resume(tmp_path)
    assert run == Run(tmp_path, Settings(seed=3), {"vae": {10: 900}, "clip": {0: 7}}, 12.5)
    assert Run.resume(tmp_path, "emu").settings.device == "emu"
    run._save_plan()
    assert Run.resume(tmp_path) == run


ODD: list[Any] = [None, True, -1, 0, 1.5, "x", "1", [], [1], {}, {"a": 1}, 1e999]
SETTINGS: dict[str, list[Any]] = {  # and what of these is sound
    "data": [], "data_dir": [None, "x", "1"], "seed": [0], "minutes": [1.5], "steps": [None], "device": [],
    "background": [None], "unknown": [], "size": [None], "fit": [],
    "network": [], "objective": [], "weighting": [],
}  # fmt: skip


@pytest.mark.parametrize("field", SETTINGS)
def test_odd_settings_are_one_message(tmp_path: Path, field: str) -> None:
    for odd in ODD:
        if any(odd is sound or (odd == sound and type(odd) is type(sound)) for sound in SETTINGS[field]):
            continue
        text = json.dumps(SOUND | {"settings": {"data": "mnist", field: odd}})
        (tmp_path / "recipe.json").write_text(text)
        with pytest.raises(CheckpointError, match=rf"recipe\.json does not describe a training run: .*{field}"):
            Run.resume(tmp_path)


@pytest.mark.parametrize("field", SOUND)
def test_odd_fields_are_one_message(tmp_path: Path, field: str) -> None:
    for odd in [*ODD, {"vae": None}, {"vae": [[1]]}, {"gan": 3}, "missing"]:
        about = {name: value for name, value in SOUND.items() if name != field or odd != "missing"}
        if odd != "missing":
            about[field] = odd
        if (field, odd) in (("seconds", 0), ("seconds", 1.5), ("planned", {}), ("settings", {})):
            continue
        (tmp_path / "recipe.json").write_text(json.dumps(about))
        with pytest.raises(CheckpointError, match=r"recipe\.json"):
            Run.resume(tmp_path)


# The second stage


@pytest.fixture
def tiny_hires(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = dataclasses.replace(HIRES_UNET, levels=(Level(8),), middle=Level(8), pooled_width=8, time_width=8)
    monkeypatch.setattr(run_module, "HIRES_UNET", tiny)
    monkeypatch.setattr(run_module, "HiresTask", partial(HiresTask, strokes=4))
    monkeypatch.setattr(HiresTask, "preview", lambda task: None)


def hires(folder: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    return Run.start(folder, Settings("strokes", steps=3, stage="hires")).train(say)


@pytest.mark.usefixtures("tiny_hires", "numpy_backend")
def test_the_second_stage_adds_a_network_to_a_model_and_changes_nothing_else(tmp_path: Path) -> None:
    pipeline, shipped = Pipeline.load(hires(tmp_path / "out")), Pipeline.load()
    assert pipeline.hires is not None
    made = pipeline.hires.info.trained
    assert (made["stage"], made["data"], made["steps"]) == ("hires", "strokes", 3) and "model" not in made
    assert pipeline.info == shipped.info and pipeline.draw(["a 7"], steps=1, size=56).shape == (1, 56, 56)
    np.testing.assert_array_equal(pipeline.draw(["a 7"], steps=1), shipped.draw(["a 7"], steps=1))
    state = load_arrays(tmp_path / "out" / "checkpoints" / "hires-00000003" / Checkpoints.ARRAYS)
    average = state["average.average"].astype(np.float16)
    np.testing.assert_array_equal(pipeline.hires.unet.flat_parameters().astype(np.float16), average)


@pytest.mark.usefixtures("tiny_hires", "numpy_backend")
def test_the_second_stage_is_stopped_and_goes_on(tmp_path: Path) -> None:
    hires(tmp_path / "straight")
    with stopped_at("hires", 2):
        hires(tmp_path / "stopped")
    said: list[str] = []
    Run.resume(tmp_path / "stopped").train(said.append)
    assert "hires: going on from step 2" in said
    for name in ("hires.safetensors", "model.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


# Few steps


@pytest.fixture
def no_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FewTask, "preview", lambda task: None)


def few(folder: Path) -> Path:
    recipes = Recipes(few=FewRecipe(ways=4))
    return Run.start(folder, Settings("strokes", steps=3, stage="few"), recipes).train(lambda line: None)


@pytest.mark.usefixtures("no_preview", "numpy_backend")
def test_the_stage_for_few_steps_adds_a_network_and_changes_nothing_else(tmp_path: Path) -> None:
    pipeline, shipped = Pipeline.load(few(tmp_path / "out")), Pipeline.load()
    assert pipeline.few is not None
    made = pipeline.few.info.trained
    assert (made["stage"], made["data"], made["steps"]) == ("few", "strokes", 3) and "model" not in made
    assert pipeline.few.info.guidance == pytest.approx(shipped.info.guidance + 0.2)
    assert pipeline.info == shipped.info and pipeline.draw(["a 7"], few=1).shape == (1, 28, 28)
    np.testing.assert_array_equal(pipeline.draw(["a 7"], steps=1), shipped.draw(["a 7"], steps=1))
    state = load_arrays(tmp_path / "out" / "checkpoints" / "few-00000003" / Checkpoints.ARRAYS)
    average = state["average.average"].astype(np.float16)
    np.testing.assert_array_equal(pipeline.few.network.flat_parameters().astype(np.float16), average)


@pytest.mark.usefixtures("no_preview", "numpy_backend")
def test_the_stage_for_few_steps_is_stopped_and_goes_on(tmp_path: Path) -> None:
    few(tmp_path / "straight")
    with stopped_at("few", 2):
        few(tmp_path / "stopped")
    Run.resume(tmp_path / "stopped").train(lambda line: None)
    for name in ("few.safetensors", "model.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_data_that_the_model_does_not_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = CaptionedPictures(np.zeros((2, 32, 32, 3), np.uint8), ["a red dot", "a blue dot"])
    monkeypatch.setattr(run_module, "load_pictures", lambda name, split, source: coloured)
    with pytest.raises(CheckpointError, match=r"draws 28 x 28 grey, .* are 32 x 32 in colour; name the --data"):
        Run.start(tmp_path / "out", Settings("strokes", steps=3, stage="few")).train()
    assert not (tmp_path / "out").exists()


def test_only_small_grey_pictures_are_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = property(lambda pipeline: (32, 32, 3))
    monkeypatch.setattr(Pipeline, "picture_shape", shape)
    monkeypatch.setattr(Pipeline, "load", lambda path: object.__new__(Pipeline))
    with pytest.raises(CheckpointError, match="mine draws 32 x 32 in colour; --stage hires learns from digits"):
        Run.start(tmp_path / "out", Settings("strokes", steps=3, stage="hires", model="mine")).train()
