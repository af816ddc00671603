"""minisd train --lora and minisd draw --lora: what reaches them, what they write and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from command_line import minisd, refused
from PIL import Image

from minisd import checkpoint
from minisd.lora import load_lora, save_lora
from minisd.nn.lora import LoRA
from minisd.pipeline import Pipeline
from minisd.plots import load_about
from minisd.train.run import Run, Settings


def draw(*arguments: Any) -> Result:
    return minisd("--backend", "numpy", "draw", "a heart", "--steps", 2, *arguments)


@pytest.fixture
def lora(model: Path) -> Path:
    """A LoRA for the model that comes with minisd, all its numbers at random."""
    pipeline, rng = Pipeline.load(model), np.random.default_rng(1)
    made = LoRA.beginning(pipeline.denoiser, 1, rng=np.random.default_rng(0))
    for change in made.layers.values():
        change.up.data = rng.standard_normal(change.up.shape, np.float32) / 4
    save_lora("heart.safetensors", made, {"base": pipeline.digest(), "words": "a heart"})
    return Path("heart.safetensors")


def pixels(name: str) -> Any:
    with Image.open(name) as picture:
        return np.asarray(picture)


def test_a_picture_is_drawn_with_it_and_says_so(lora: Path) -> None:
    result = draw("--lora", lora, "--lora", f"{lora}:-0.5", "--out", "a.png")
    assert result.exit_code == 0 and result.stderr == "", result.output
    about = load_about("a.png")
    assert about["lora"] == "heart.safetensors, heart.safetensors:-0.5"
    assert "--lora heart.safetensors --lora heart.safetensors:-0.5" in about["command"]
    assert about["lora_sha256"] == [checkpoint.digest(lora)] * 2
    assert "heart.safetensors:-0.5" in minisd("info", "a.png").stdout
    assert draw("--lora", f"{lora}:0.5", "--out", "half.png").exit_code == 0  # 1 - 0.5
    assert np.abs(pixels("a.png").astype(int) - pixels("half.png")).max() <= 1


def test_it_says_what_it_was_taught(lora: Path) -> None:
    said = minisd("info", lora).stdout
    assert "a heart" in said and "layers, " in said and load_lora(lora).about["base"] in said
    Path("b.safetensors").write_text("")
    refused(minisd("info", "b.safetensors"), "b.safetensors: ")


def test_at_scale_0_the_picture_is_the_models(lora: Path) -> None:
    plain = draw("--out", "plain.png")
    assert "never saw 'heart'" in plain.stderr
    for scale in ("0", "2"):
        assert draw("--lora", f"{lora}:{scale}", "--out", f"{scale}.png").exit_code == 0
    np.testing.assert_array_equal(pixels("0.png"), pixels("plain.png"))
    assert np.any(pixels("2.png") != pixels("plain.png"))
    assert "lora" not in load_about("plain.png") and "lora_sha256" not in load_about("plain.png")


def test_a_colon_in_the_name_is_no_scale(lora: Path) -> None:
    lora.rename("at 12:30")
    assert "--lora: 'at 12" not in draw("--lora", "at 12:30:1", "--out", "a.png").stderr
    assert load_about("a.png")["lora"] == "at 12:30:1"


def test_one_for_another_model_is_a_warning(lora: Path) -> None:
    save_lora("b.safetensors", load_lora(lora).lora, {"base": "0" * 64})
    result = draw("--lora", "b.safetensors", "--out", "a.png")
    assert result.exit_code == 0 and "Warning: b.safetensors was trained on another model than this" in result.stderr


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("missing.safetensors", "missing.safetensors: there is no such file"),
        ("heart.safetensors:x", "heart.safetensors:x: there is no such file; a scale is a number behind a colon"),
        ("heart.safetensors:nan", "nan is not a finite number"),
        ("heart.safetensors:-inf", "-inf is not a finite number"),
        ("heart.safetensors:1e300", "at a scale of 1e+300 its weights are no longer finite"),
        ("", "there is no such file"),
        (":1", "there is no such file"),
        ("text.safetensors", "text.safetensors: "),
        ("other.safetensors", "conv_in: UNet has no linear layer or convolution of that name; its names are such as"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(lora: Path, value: str, said: str) -> None:
    Path("text.safetensors").write_text("no LoRA")
    made = load_lora(lora).lora
    made.layers = {"conv_in": made.layers["conv_out"]}
    save_lora("other.safetensors", made, {})
    before = {*Path().iterdir()}
    refused(draw("--lora", value), said)
    assert {*Path().iterdir()} == before


def test_what_was_asked_for_reaches_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Settings] = []
    monkeypatch.setattr(Run, "train", lambda run, say, profile, prepare: runs.append(run.settings))
    result = minisd("train", "--lora", "--data", "folder", "--data-dir", tmp_path, "--caption", "a heart")
    assert result.exit_code == 0
    wanted = Settings("folder", str(tmp_path), minutes=2.0, stage="lora", caption="a heart")
    assert result.stdout == (
        "the LoRA is runs/lora/lora.safetensors\nnext: minisd draw 'a heart' --lora runs/lora/lora.safetensors\n"
    )
    Path("runs/lora").mkdir(parents=True)
    Path("runs/lora/lora.safetensors").touch()
    Path("mine").mkdir()
    options = ["--rank", 8, "--model", "mine", "--steps", 9]
    result = minisd("train", "--lora", "--data", "fashion", "--data-dir", tmp_path, *options)
    assert "next: minisd draw PROMPT --lora runs/lora-2/lora.safetensors --model /" in result.stdout
    other = Settings(
        "fashion", str(tmp_path), minutes=2.0, steps=9, stage="lora", model=str(Path("mine").resolve()), rank=8
    )
    assert runs == [wanted, other]


FROM = ("--lora", "--data", "folder", "--data-dir", ".")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--lora",), "say which, by --data folder --data-dir DIR"),
        ((*FROM, "--stage", "hires"), "--lora is a stage of its own; leave out --stage"),
        (("--stage", "lora"), "'lora' is not one of 'model', 'hires'"),
        ((*FROM, "--size", "32"), "leave out --size"),
        ((*FROM, "--caption", " "), "--caption: it is empty"),
        ((*FROM, "--rank", "0"), "--rank"),
        ((*FROM, "--rank", "257"), "--rank"),
        (("--caption", "a heart"), "--caption is for --lora"),
        (("--rank", "3"), "--rank is for --lora"),
        (("--resume", "--lora"), "leave out --lora"),
        ((*FROM, "--caption", "a heart"), "no images; wanted files that end in"),
        ((*FROM, "--model", "missing"), "model.json: there is no such file"),
    ],
)
def test_what_cannot_be_trained_is_refused(arguments: tuple[str, ...], said: str) -> None:
    refused(minisd("train", *arguments), said)
    assert not list(Path().rglob("recipe.json"))
