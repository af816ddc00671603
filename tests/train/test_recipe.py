"""Recipes: what a file may say, what becomes of it, and that a run's own file makes its model again."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stopping import stopped_at

from minisd import plots
from minisd.autograd import Tensor
from minisd.checkpoint import CheckpointError, load_json, save_json
from minisd.data import DigitSet, draw_strokes
from minisd.data.colours import NAMES, draw_colours
from minisd.data.dataset import CaptionedPictures
from minisd.models.dit import DiTConfig
from minisd.models.levels import Level, from_json
from minisd.models.unet import UNetConfig
from minisd.models.vae import channel_factors
from minisd.pictures import to_bytes
from minisd.pipeline import Pipeline
from minisd.train import recipe as recipe_module
from minisd.train import run as run_module
from minisd.train.denoiser import DenoiserTask, encode_all
from minisd.train.loop import Fit
from minisd.train.plan import Plan
from minisd.train.recipe import DiTRecipe, Recipes, UNetRecipe, VAERecipe
from minisd.train.run import NETWORKS, Run, Settings, read_recipe
from minisd.train.vae import VAETask

STROKES = draw_strokes(6, 0)
SMALL = UNetConfig(levels=(Level(8), Level(16, heads=2)), middle=Level(16), time_width=16)
MINE = Recipes(
    vae=VAERecipe(batch=3, kl_weight=0.5, steps=2, latent_channels=2),
    unet=UNetRecipe(
        batch=4, peak_lr=1e-3, warmup=1, lr_decay="linear", lr_hold=0.5, clip_norm=0.5, betas=(0.8, 0.9), ema_decay=0.5,
        weight_decay=0.1, steps=((1, 6), (3, 5)), untold=0.9, times="logit_normal", latent_scale="channel",
        config=SMALL,
    ),
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_strokes() -> Any:
    pictures = CaptionedPictures(STROKES.images, ["a dot", "a line", "an eight"] * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "load_pictures", lambda name, split, source: pictures)
        patch.setattr(VAETask, "preview", lambda task: None)
        patch.setattr(DenoiserTask, "preview", lambda task: None)
        patch.setattr(plots, "save_loss_curve", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def mine(few_strokes: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by a recipe of one's own, but for the CLIP pair, which has the settings' steps."""
    return Run.start(tmp_path_factory.mktemp("run") / "mine", Settings("strokes", steps=3), MINE).train(
        lambda line: None
    )


def model(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (*(f"{n}.safetensors" for n in NETWORKS), "model.json")}


# A run's own recipe


def test_a_runs_recipe_makes_its_model_again(mine: Path, tmp_path: Path) -> None:
    asked = read_recipe(mine / "recipe.json")
    assert asked == (
        Settings("strokes", steps=3),
        dataclasses.replace(MINE, vae=dataclasses.replace(MINE.vae, steps=((0, 2),))),
    )
    Run.start(tmp_path / "again", *asked).train(lambda line: None)
    assert model(tmp_path / "again") == model(mine)
    settings, recipes = asked
    Run.start(tmp_path / "other", settings, recipes.with_steps({})).train(lambda line: None)
    assert model(tmp_path / "other")["unet.safetensors"] != model(mine)["unet.safetensors"]


def test_a_run_by_a_recipe_is_stopped_and_goes_on(mine: Path, tmp_path: Path) -> None:
    with stopped_at("unet", 2):
        Run.start(tmp_path / "out", *read_recipe(mine / "recipe.json")).train(lambda line: None)
    Run.resume(tmp_path / "out").train(lambda line: None)
    assert model(tmp_path / "out") == model(mine)


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Fit, Plan]]:
    """Every fit and plan that a run would have driven; the clock is pretended to have planned twice."""
    seen: list[tuple[Fit, Plan]] = []

    def note(fit: Fit, plan: Plan, **options: Any) -> None:
        seen.append((fit, plan))
        if plan._seconds is not None:
            plan.totals.update({10: 700, 90: 650})
        options["save"]()

    monkeypatch.setattr(run_module, "drive", note)
    return seen


def test_what_the_clock_planned_is_kept_to_when_a_run_is_repeated(
    driven: list[tuple[Fit, Plan]], tmp_path: Path
) -> None:
    Run.start(tmp_path / "first", Settings("strokes", minutes=9)).train(lambda line: None)
    settings, recipes = read_recipe(tmp_path / "first" / "recipe.json")
    assert settings == Settings("strokes", minutes=9)
    assert {recipes.of(network).steps for network in NETWORKS} == {
        ((10, 700), (90, 650))
    } and recipes.lora.steps is None
    Run.start(tmp_path / "again", settings, recipes).train(lambda line: None)
    assert all(plan._seconds is not None for _, plan in driven[:3])
    for _, plan in driven[3:]:
        assert plan.seconds_left() is None and [plan.total(n) for n in (9, 10, 90, 200)] == [None, 700, 650, 650]
    assert (tmp_path / "again" / "model.json").read_bytes() == (tmp_path / "first" / "model.json").read_bytes()


# What it says is done


def test_every_number_reaches_its_network(driven: list[tuple[Fit, Plan]], tmp_path: Path) -> None:
    Run.start(tmp_path / "out", Settings("strokes", steps=3), MINE).train(lambda line: None)
    (vae, vae_plan), (clip, clip_plan), (unet, unet_plan) = driven
    assert (vae.task.recipe, clip.task.recipe, unet.task.recipe) == (MINE.vae, Recipes().clip, MINE.unet)
    assert [plan.total(0) for plan in (vae_plan, clip_plan)] == [2, 3] and unet_plan.totals == {1: 6, 3: 5}
    assert unet.optimizer.betas == (0.8, 0.9) and unet.optimizer.weight_decay == 0.1 and unet.ema.decay == 0.5
    assert isinstance(unet.task, DenoiserTask)
    assert unet.task.pipeline.denoiser.config == dataclasses.replace(
        SMALL, latent_channels=2, context_width=64, pooled_width=64
    )
    assert (unet.task.objective.prediction, unet.task.objective.times) == ("v", "logit_normal")
    rows = [unet.task.batch(np.arange(6), np.random.default_rng(seed))[2] for seed in range(50)]
    assert np.mean(np.concatenate(rows) == 0) == pytest.approx(0.9, abs=0.05)


def test_a_transformer_has_a_recipe_of_its_own(driven: list[tuple[Fit, Plan]], tmp_path: Path) -> None:
    own = DiTRecipe(batch=5, latent_scale="channel", config=DiTConfig(width=16, depth=1, heads=2))
    Run.start(tmp_path / "out", Settings("strokes", steps=1, network="dit"), Recipes(dit=own)).train(lambda line: None)
    pipeline = Pipeline.load(tmp_path / "out")
    config = dataclasses.replace(own.config, context_width=64, pooled_width=64)
    assert driven[-1][0].task.recipe == own and pipeline.denoiser.config == config
    assert isinstance(pipeline.info.scale_factor, tuple)
    assert pipeline.info.trained["recipe"] == {"dit": {"batch": 5, "latent_scale": "channel"}}


def test_the_rate_falls_as_the_recipe_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up in one step, level to the middle of the other four, then straight down."""
    rates: list[float] = []
    task = VAETask(
        STROKES.images,
        np.random.default_rng(0),
        VAERecipe(batch=2, peak_lr=1, warmup=1, lr_decay="linear", lr_hold=0.5),
    )
    fit = Fit(task, seed=0, steps=5)
    monkeypatch.setattr(fit.optimizer, "step", lambda lr, norm: rates.append(lr) or 1.0)
    while not fit.done:
        fit.step()
    assert rates == pytest.approx([1, 1, 1, 1, 0.5])


def test_each_channel_may_have_its_own_factor(mine: Path) -> None:
    pipeline = Pipeline.load(mine)
    info = pipeline.info
    assert isinstance(info.scale_factor, tuple) and isinstance(info.shift_factor, tuple)
    latents = encode_all(pipeline.vae, STROKES.images)[0]
    np.testing.assert_allclose((info.scale_factor, info.shift_factor), channel_factors(latents), rtol=0.02, atol=1e-3)
    z = pipeline.encode(STROKES.images)
    np.testing.assert_allclose(z.mean(axis=(0, 1, 2)), 0, atol=0.02)
    np.testing.assert_allclose(z.std(axis=(0, 1, 2)), 1, atol=0.02)
    back = to_bytes(pipeline.vae.decode(Tensor(latents)).data)
    assert np.abs(pipeline.decode(z).astype(int) - back).max() <= 1
    assert pipeline.draw(["a 7"], steps=2).shape == (1, 28, 28)


def test_the_model_says_what_was_not_as_usual(mine: Path) -> None:
    recipe = load_json(mine / "model.json")["info"]["trained"]["recipe"]
    assert set(recipe) == {"vae", "unet"} and recipe["vae"] == {"batch": 3, "kl_weight": 0.5, "latent_channels": 2}
    assert Recipes(mention=0.5).changes(*NETWORKS) == {"mention": 0.5}
    assert recipe["unet"]["untold"] == 0.9 and not {"steps", "config", "share"} & {*recipe["unet"]}


def test_the_shares_are_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, Settings(minutes=10), recipes=Recipes(vae=VAERecipe(share=1.16)))
    run._sitting = 0.0
    monkeypatch.setattr(run_module.time, "monotonic", lambda: 0.0)
    seconds = [run._plan(network, 0.0, print).seconds_left() for network in NETWORKS]
    assert seconds == pytest.approx([348, 600 * 0.11 / 0.84, 600])


def test_captions_say_as_much_as_the_recipe_says(tmp_path: Path) -> None:
    attributes = {*NAMES, "thin", "medium", "thick", "bold", "upright", "leaning", "slanted"}
    for data in (DigitSet(STROKES.images, STROKES.labels, STROKES), draw_colours(6, 0)):
        for mention, wanted in ((1.0, {True}), (0.0, {False}), (None, {True, False})):
            told = Run(tmp_path, Settings(), recipes=Recipes(mention=mention))._mentioning(data)
            texts = [text for seed in range(20) for text in told.captions(np.arange(6), np.random.default_rng(seed))]
            assert {bool(attributes & {*text.split()}) for text in texts} == wanted


def test_captions_that_are_whole_have_nothing_to_leave_out(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"mention is for captions that code makes up, not for --data kmnist"):
        Run.start(tmp_path / "out", Settings("kmnist"), Recipes(mention=0.5)).train(lambda line: None)
    assert not (tmp_path / "out").exists()


# What it may say


def test_the_example_of_the_module_is_a_recipe(tmp_path: Path) -> None:
    text = re.search(r"\{\"settings.*?\n\n", recipe_module.__doc__ or "", re.DOTALL)
    assert text is not None
    (tmp_path / "mine.json").write_text(text[0])
    settings, recipes = read_recipe(tmp_path / "mine.json")
    assert settings == Settings("strokes", objective="flow")
    assert recipes.unet.config == UNetConfig(levels=(Level(96, heads=3),)) and recipes.vae.share == 0.2


def test_a_recipe_that_says_nothing_is_the_usual(tmp_path: Path) -> None:
    save_json(tmp_path / "empty.json", {})
    assert read_recipe(tmp_path / "empty.json") == (Settings(), Recipes())


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ([], "wanted settings and recipes by name, got []"),
        ({"gan": {}}, "Recipes: gan: there is no such field; wanted vae, clip, unet"),
        ({"vae": 3}, "Recipes: vae: wanted its fields by name, got 3"),
        ({"vae": None}, "Recipes: vae: wanted its fields by name, got None"),
        ({"vae": {"lr": 1}}, "VAERecipe: lr: there is no such field; wanted batch, peak_lr"),
        ({"unet": {"config": {"depth": 3}}}, "UNetConfig: depth: there is no such field"),
        ({"unet": {"config": {"levels": [{"channels": 12}]}}}, "UNetConfig: groups: 12 channels do not split"),
        ({"unet": {"config": {"hint_channels": 1}}}, "UNetRecipe: config: wanted hint_channels of 0"),
        ({"unet": {"config": None}}, "UNetRecipe: config: wanted its fields by name, got None"),
        ({"settings": {"data": "cifar"}}, "Settings: data: wanted one of mnist"),
        ({"settings": []}, "Settings: wanted its fields by name, got []"),
        ({"seconds": -1}, "seconds: wanted a number of 0 or more, got -1"),
        ({"planned": {"gan": 3}}, "planned: wanted plans by the names of networks"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_message(tmp_path: Path, recipe: object, said: str) -> None:
    save_json(tmp_path / "mine.json", recipe)
    with pytest.raises(CheckpointError) as caught:
        read_recipe(tmp_path / "mine.json")
    assert f"mine.json does not describe a training run: {said}" in str(caught.value)


ODD: list[Any] = [None, True, -1, 0, 0.5, 1, 1e9, "x", [], [1], [[1, 2]], [0.5, 0.5], {}, 1e999, float("nan")]
SOUND: dict[str, Callable[[Any], bool]] = {  # what of these is sound; of the rest nothing is
    "batch": lambda x: x == 1,
    "peak_lr": lambda x: x in (0.5, 1),
    "warmup": lambda x: x in (0, 1),
    "lr_hold": lambda x: x in (0, 0.5, 1),
    "clip_norm": lambda x: x in (0.5, 1, 1e9),
    "betas": lambda x: x == [0.5, 0.5],
    "ema_decay": lambda x: x in (0, 0.5, 1),
    "weight_decay": lambda x: x in (0, 0.5, 1),
    "steps": lambda x: x in (None, 1, [[1, 2]]),
    "share": lambda x: x in (0.5, 1),
    "kl_weight": lambda x: x in (0, 0.5, 1),
    "latent_channels": lambda x: x in (None, 1),
    "untold": lambda x: x in (0, 0.5, 1),
    "times": lambda x: x is None,
}


@pytest.mark.parametrize("network", [*NETWORKS, "dit", "hires", "lora"])
def test_odd_values_are_named(network: str) -> None:
    usual = Recipes().of(network)
    for field in {*vars(usual)} - {"config"}:
        for odd in ODD:
            whole = isinstance(odd, float) and field in ("batch", "warmup", "steps", "latent_channels")
            if not isinstance(odd, bool) and not whole and SOUND.get(field, lambda x: False)(odd):
                from_json(type(usual), {field: odd})
                continue
            with pytest.raises(ValueError, match=rf"{type(usual).__name__}: {field}: wanted .*, got "):
                from_json(type(usual), {field: odd})


def test_all_that_a_recipe_has_comes_back_from_json() -> None:
    assert from_json(Recipes, json.loads(json.dumps(dataclasses.asdict(MINE)))) == MINE
