"""minisd curve: trainings of so many minutes, with the options of minisd train, and what is kept of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import minisd, refused

from minisd import checkpoint
from minisd.evaluation.digits import DrawingReport, Drawings
from minisd.pipeline import Pipeline
from minisd.train.drive import Interrupted
from minisd.train.run import Run, Settings


@pytest.fixture
def trained(
    model: Path, few_digits: None, hasty_judge: None, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, Settings]]:
    """Every training makes the model that comes with minisd, and every drawing is as good as the next."""
    runs: list[tuple[str, Settings]] = []

    def train(run: Run, say: Callable[[str], None], profile: bool, prepare: Callable[[], object]) -> Path:
        if run.settings.minutes == 4 and not any(folder == "4-minutes" for folder, _ in runs):
            runs.append((run.folder.name, run.settings))
            run.folder.mkdir()
            run._save_plan()
            raise Interrupted("stopped at step 3 of vae", 2)
        runs.append((run.folder.name, run.settings))
        run.folder.mkdir(exist_ok=True)
        for path in model.iterdir():
            (run.folder / path.name).symlink_to(path)
        run.planned, run.seconds = {"vae": {10: 40, 20: 35}, "clip": {0: 7}}, 1.5
        run._save_plan()
        say("said of the training")
        return run.folder

    def of(compared: Drawings, pipeline: Pipeline, say: Any) -> list[DrawingReport]:
        report = DrawingReport("", 100, 0.5, (0.4, 0.6), [0.5] * 10, None, None, 9.5, 1.4, 0.8, 0.75, 0.9, None, None)
        return [report, dataclasses.replace(report, accuracy=0.25)]

    monkeypatch.setattr("minisd.plots.save_lines", lambda path, *_: path.write_bytes(b"png"))
    monkeypatch.setattr(Run, "train", train)
    monkeypatch.setattr(Drawings, "of", of)
    return runs


def test_the_curve_of_a_recipe(trained: list[tuple[str, Settings]]) -> None:
    options = ("--data", "strokes", "--minutes", "2,0.5", "--num", 100, "--out", "c", "--seed", "7")
    result = minisd("--backend", "numpy", "curve", *options)
    assert result.exit_code == 0, result.output
    assert [(name, run.minutes, run.seed, run.data) for name, run in trained] == [
        ("0.5-minutes", 0.5, 7, "strokes"), ("2-minutes", 2, 7, "strokes"),
    ]  # fmt: skip
    about = checkpoint.load_json("c/curve.json")
    assert about["training"] | {"seed": 7, "data": "strokes", "network": "unet"} == about["training"]
    assert not {"out", "device", "minutes", "resume"} & {*about["training"]}
    assert [point["made"] for point in about["points"]] == [{"seconds": 1.5, "steps": {"vae": 35, "clip": 7}}] * 2
    assert "         0.5         0.500      9.50     0.750         0.250" in result.stdout
    assert "said of the training" in result.stderr and "said of the training" not in result.stdout
    assert result.stdout.endswith("wrote c/curve.json\nwrote c/curve.png\n") and Path("c/curve.png").exists()
    again = minisd("--backend", "numpy", "curve", *options)
    assert again.exit_code == 0 and len(trained) == 2 and again.stdout == result.stdout
    refused(minisd("curve", *options[:-1], 8), "was begun with seed 7 and not 8")
    Path("recipe.json").write_text('{"settings": {"data": "strokes", "seed": 7, "steps": 4}, "vae": {"batch": 9}}')
    recipe = ("--minutes", "2", "--num", 100, "--recipe", "recipe.json", "--out")
    refused(minisd("curve", *recipe, "c"), "was begun with another recipe")
    assert minisd("--backend", "numpy", "curve", *recipe, "d").exit_code == 0
    assert (trained[2][1].seed, trained[2][1].steps, trained[2][1].minutes) == (7, None, 2)
    assert checkpoint.load_json("d/curve.json")["training"]["recipe"]["vae"]["batch"] == 9
    assert checkpoint.load_json("c/curve.json") == about


def test_a_training_that_was_stopped_is_gone_on_with(trained: list[tuple[str, Settings]]) -> None:
    options = ("--backend", "numpy", "curve", "--data", "strokes", "--minutes", "1,4", "--num", 100, "--out", "c")
    result = minisd(*options)
    assert result.exit_code == 130, result.output
    assert "1 of 2 points are measured; go on with the same command, --out c" in result.stderr
    assert "           1         0.500" in result.stdout
    result = minisd(*options)
    assert result.exit_code == 0 and [name for name, _ in trained] == ["1-minutes", "4-minutes", "4-minutes"]
    assert [point["minutes"] for point in checkpoint.load_json("c/curve.json")["points"]] == [1, 4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--minutes", "0,1"), "--minutes"),
        (("--steps", "4"), "leave out --steps"),
        (("--resume",), "leave out --resume"),
        (("--stage", "hires"), "leave out the stage"),
        (("--lora",), "leave out --lora"),
        (("--seeds", "4"), "No such option '--seeds'"),
        (("--seed", "x"), "'x' is not a valid integer"),
        (("--data", "colours"), "holds no digits to measure by"),
        (("--num", "105"), "a multiple of 10"),
        (("--judge", "missing"), "judge.safetensors: there is no such file"),
        (("--out", "file/c"), "file/c"),
    ],
)
def test_curves_that_cannot_be(trained: list[tuple[str, Settings]], arguments: tuple[str, ...], said: str) -> None:
    Path("file").write_text("")
    refused(minisd("--backend", "numpy", "curve", "--data", "strokes", *arguments), said)
    assert not trained
