"""What train writes, and how it refuses what it cannot do."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from command_line import MODEL_FILES, copy_of, digits, minisd, python, refused

from minisd import checkpoint
from minisd.data import mnist
from minisd.train.drive import Interrupted
from minisd.train.loop import Fit, TrainingDiverged
from minisd.train.recipe import Recipes, UNetRecipe
from minisd.train.run import Run, Settings


def test_what_was_asked_for_reaches_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option, and every default."""
    runs: list[tuple[Path, Settings, bool]] = []
    monkeypatch.setattr(
        Run, "train", lambda run, say, profile, prepare: runs.append((run.folder, run.settings, profile))
    )
    assert minisd("train").exit_code == 0
    (tmp_path / "pictures").mkdir()
    options = ["--data-dir", tmp_path / "pictures", "--seed", 7, "--steps", 9, "--background", "black", "--profile"]
    options += ["--size", "32x48", "--fit", "crop"]
    assert minisd("train", "--data", "folder", *options, "--out", "mine").exit_code == 0
    options = ["--objective", "flow", "--weighting", "min-snr", "--network", "dit"]
    assert minisd("train", "--data", "strokes", "--minutes", 3.5, *options).exit_code == 0
    assert runs == [
        (Path("runs/mnist"), Settings("mnist", None, 0, 14.0, None, "cpu", None), False),
        (
            Path("mine"),
            Settings("folder", str(tmp_path / "pictures"), 7, 14.0, 9, "cpu", "black", size=(32, 48), fit="crop"),
            True,
        ),
        (
            Path("runs/strokes"),
            Settings("strokes", None, 0, 3.5, objective="flow", weighting="min-snr", network="dit"),
            False,
        ),
    ]
    monkeypatch.setattr("minisd.cli.train.require_device", lambda device: None)
    assert minisd("train", "--data", "strokes", "--device", "cuda").exit_code == 0
    assert runs[-1][1].device == "cuda"
    checkpoint.save_json(tmp_path / "recipe.json", {"settings": {"seed": 5}, "planned": {}, "seconds": 1})
    assert minisd("train", "--resume", "--out", tmp_path, "--device", "cpu", "--profile").exit_code == 0
    assert runs[-1] == (tmp_path, Settings(seed=5), True)


def write(path: Path, recipe: dict[str, Any]) -> Path:
    checkpoint.save_json(path, recipe)
    return path


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """What would have been trained."""
    found: list[Run] = []
    monkeypatch.setattr(Run, "train", lambda run, say, profile, prepare: found.append(run))
    return found


def test_a_recipe_stands_for_options_and_options_count_more(runs: list[Run], tmp_path: Path) -> None:
    settings = {"data": "folder", "data_dir": str(tmp_path), "size": [32, 48], "fit": "crop", "seed": 4, "steps": 9}
    about = {"settings": settings | {"objective": "flow"}, "unet": {"batch": 7, "steps": 5}, "mention": None}
    recipe = write(tmp_path / "mine.json", about)
    asked = Settings("folder", str(tmp_path), 4, steps=9, size=(32, 48), fit="crop", objective="flow")
    for options, settings in [
        ((), asked),
        (("--seed", 5, "--objective", "x_0", "--size", 16), replace(asked, seed=5, objective="x_0", size=(16, 16))),
    ]:
        assert minisd("train", "--recipe", recipe, *options).exit_code == 0
        assert runs[-1].settings == settings
        assert runs[-1].recipes == Recipes(unet=UNetRecipe(batch=7, steps=((0, 5),)))
    for options, settings in [
        (("--steps", 3), replace(asked, steps=3)),
        (("--minutes", 2), replace(asked, steps=None, minutes=2.0)),
    ]:
        assert minisd("train", "--recipe", recipe, *options).exit_code == 0
        assert (runs[-1].settings, runs[-1].recipes) == (settings, Recipes(unet=UNetRecipe(batch=7)))
    lora = {"settings": {"stage": "lora", "data": "folder", "data_dir": str(tmp_path), "caption": "a heart", "rank": 2}}
    assert minisd("train", "--recipe", write(tmp_path / "lora.json", lora)).exit_code == 0
    wanted = Settings("folder", str(tmp_path), stage="lora", caption="a heart", rank=2)
    assert (runs[-1].folder, runs[-1].settings) == (Path("runs/lora"), wanted)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"unet": {"learning_rate": 1}}, "UNetRecipe: learning_rate: there is no such field"),
        ({"vae": {"batch": 0}}, "VAERecipe: batch: wanted a whole number from 1"),
        ({"settings": {"objective": "score"}}, "Settings: objective: wanted one of noise, x_0, v, flow, got 'score'"),
        ({"settings": {"data": "idx"}}, "needs --data-dir"),
    ],
)
def test_a_recipe_that_cannot_be_is_one_message(tmp_path: Path, recipe: dict[str, Any], said: str) -> None:
    refused(minisd("train", "--recipe", write(tmp_path / "mine.json", recipe)), said)
    (tmp_path / "mine.json").write_text("{")
    refused(minisd("train", "--recipe", tmp_path / "mine.json"), "mine.json")
    refused(minisd("train", "--recipe", tmp_path), "is a directory")
    assert not Path("runs").exists()


def test_train_says_where_the_model_is(trained: tuple[Path, Result]) -> None:
    folder, result = trained
    assert result.exit_code == 0, result.output
    assert f"the model is in {folder}" in result.stdout and f"minisd eval --model {folder}" in result.stdout
    assert {*MODEL_FILES, "recipe.json", "loss-vae.png", "loss-unet.png", "samples", "checkpoints"} <= set(
        os.listdir(folder)
    )


def test_a_run_is_not_begun_twice(trained: tuple[Path, Result]) -> None:
    model = trained[0]
    before = (model / "recipe.json").read_bytes()
    refused(
        minisd("train", "--data", "strokes", "--out", model), "holds a training run already", f"--resume --out {model}"
    )
    assert (model / "recipe.json").read_bytes() == before
    result = minisd("train", "--resume", "--out", model)
    assert result.exit_code == 0 and "is trained already" in result.output


def test_a_model_is_not_trained_over(model: Path, tmp_path: Path) -> None:
    folder = copy_of(model, tmp_path / "model")
    refused(minisd("train", "--data", "strokes", "--out", folder), "holds a model already")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--steps", "0"), "--steps"),
        (("--minutes", "0"), "--minutes"),
        (("--minutes", "nan"), "not a finite number"),
        (("--minutes", "1", "--steps", "5"), "not both"),
        (("--data", "cifar"), "'cifar' is not one of"),
        (("--data", "folder"), "needs --data-dir"),
        (("--data", "strokes", "--data-dir", "."), "leave out --data-dir"),
        (("--data", "folder", "--data-dir", "missing"), "missing: no such folder"),
        (("--data", "mnist"), "could not download"),
        (("--data", "mnist", "--data-dir", "missing"), "--data strokes"),
        (("--data", "strokes", "--out", "file"), "is a file"),
        (("--data", "strokes", "--out", "file/below"), "could not be written"),
        (("--data", "idx"), "needs --data-dir"),
        (("--data", "strokes", "--background", "black"), "--background is for --data folder"),
        (("--background", "green"), "--background"),
        (("--data", "strokes", "--size", "32"), "--size is for --data folder"),
        (("--fit", "pad"), "--fit is for --data folder"),
        (("--data", "folder", "--data-dir", ".", "--size", "30"), "wanted multiples of 4 from 16 to 64"),
        (("--data", "folder", "--data-dir", ".", "--size", "x"), "is no size; write 32, or 32x48 for height"),
        (("--data", "folder", "--data-dir", ".", "--fit", "stretch"), "--fit"),
        (("--objective", "score"), "'score' is not one of 'noise', 'x_0', 'v', 'flow'"),
        (("--weighting", "snr"), "'snr' is not one of 'none', 'min-snr'"),
        (
            ("--data", "strokes", "--stage", "hires", "--weighting", "none"),
            "--weighting is for a whole model",
        ),
        (("--network", "vit"), "'vit' is not one of 'unet', 'dit'"),
        (("--data", "strokes", "--stage", "hires", "--network", "dit"), "--network is for a whole model"),
        (("--resume", "--network", "dit"), "leave out --network"),
        (("--resume", "--objective", "v"), "leave out --objective"),
        (("--recipe", "missing.json"), "'missing.json' does not exist"),
        (("--resume", "--background", "white"), "leave out --background"),
        (("--resume", "--seed", "1", "--steps", "2"), "leave out --seed, --steps"),
        (("--resume",), "recipe.json: there is no such file"),
    ],
)
def test_train_refuses(arguments: tuple[str, ...], said: str) -> None:
    Path("file").write_text("")
    refused(minisd("train", *arguments), said)
    assert not list(Path().rglob("recipe.json"))  # so the same command works as soon as the mistake is corrected


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


IMAGES, LABELS = mnist.FILES["train"]
GOOD = {IMAGES: idx(np.zeros((5, 28, 28), np.uint8)), LABELS: idx(np.arange(5, dtype=np.uint8))}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        (f"{IMAGES}.gz", gzip.compress(GOOD[IMAGES], mtime=0)[:-20], "the gzip stream stops early"),
        (f"{IMAGES}.gz", b"\0" * 100, "not a sound gzip file"),
        (IMAGES, GOOD[IMAGES][:-1], "truncated"),
        (IMAGES, GOOD[IMAGES][:7], "end inside the header"),
        (IMAGES, b"", "an IDX file begins with"),
        (LABELS, idx(np.arange(4, dtype=np.uint8)), "5 images in"),
        (LABELS, idx(np.full(5, 10, np.uint8)), "labels are 0 to 9"),
    ],
)
def test_damaged_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, said: str) -> None:
    files = {key: value for key, value in GOOD.items() if not name.startswith(key)} | {name: data}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
        whole = content if not file.endswith(".gz") else GOOD[IMAGES]
        monkeypatch.setitem(mnist.MD5, file.removesuffix(".gz"), hashlib.md5(whole).hexdigest())
    refused(minisd("train", "--data-dir", tmp_path), said)


def test_wrong_checksum(tmp_path: Path) -> None:
    for file, content in GOOD.items():
        (tmp_path / file).write_bytes(content)
    refused(minisd("train", "--data-dir", tmp_path), "the published file has")


def test_a_folder_in_use_is_refused(trained: tuple[Path, Result]) -> None:
    code = "import sys; from pathlib import Path; from minisd.checkpoint import lock_folder\n"
    code += "with lock_folder(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    holder = python(code, trained[0], stdin=subprocess.PIPE)
    with holder:
        assert holder.stdout and holder.stdout.readline() == "locked\n"
        refused(minisd("train", "--resume", "--out", trained[0]), "another run is writing to")


def test_a_folder_that_was_made_up_is_numbered_where_a_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(Run, "train", lambda run, say, profile, prepare: folders.append(run.folder))
    run = json.dumps({"settings": {}, "planned": {}, "seconds": 1})
    for name, files in (("mnist", ["recipe.json", "model.json"]), ("mnist-2", ["model.json"])):
        Path("runs", name).mkdir(parents=True)
        for file in files:
            Path("runs", name, file).write_text(run)
    result = minisd("train")
    assert result.exit_code == 0 and "the model is in runs/mnist-3\n" in result.stdout
    assert minisd("train", "--resume").exit_code == 0  # all of them are finished: it says so of the first
    Path("runs/mnist-3").mkdir()
    Path("runs/mnist-3/recipe.json").write_text(run)
    refused(minisd("train"), "runs/mnist-3 holds a training run already: go on with --resume --out runs/mnist-3")
    assert minisd("train", "--resume").exit_code == 0
    assert folders == [Path("runs/mnist-3"), Path("runs/mnist"), Path("runs/mnist-3")]


@pytest.mark.parametrize(
    ("stop", "status", "said"),
    [
        (Interrupted("stopped at step 7 of vae", signal.SIGINT), 130, "stopped at step 7 of vae; saved. Go on with: "),
        (Interrupted("stopped at step 7 of vae", signal.SIGTERM), 143, "stopped at step 7 of vae; saved. Go on with: "),
        (KeyboardInterrupt(), 130, "stopped; saved. Go on with: "),
    ],
)
def test_a_stopped_run_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, stop: BaseException, status: int, said: str
) -> None:
    def stopped(run: Run, *_: Any, **__: Any) -> None:
        run.folder.mkdir()
        run._save_plan()
        raise stop

    monkeypatch.setattr(Run, "train", stopped)
    result = minisd("train", "--out", "my run")
    assert result.exit_code == status
    assert result.stderr.splitlines()[-1] == f"{said}minisd train --resume --out 'my run'"


def test_what_was_stopped_before_it_began_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minisd.train.run.load_pictures", stopped)
    result = minisd("train", "--data", "strokes")
    assert result.exit_code == 130 and result.stderr.splitlines()[-1] == "stopped; nothing was begun"
    assert not Path("runs").exists()


def test_missing_data_leave_nothing_and_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.cli.train.compile_first", lambda device: pytest.fail("compiled before it looked"))
    result = minisd("train")
    refused(result, "could not download", "--data strokes", "--data-dir FOLDER", *mnist.FILES["train"])
    assert max(map(len, result.stderr.splitlines())) < 100 and os.listdir() == []


def test_next_comes_what_can_be_done_with_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Run, "train", lambda run, say, profile, prepare: None)
    result = minisd("train", "--data", "idx", "--data-dir", tmp_path)
    assert result.stdout.splitlines() == ["the model is in runs/idx", "next: minisd draw PROMPT --model runs/idx"]
    assert "minisd eval --model runs/strokes" in minisd("train", "--data", "strokes").stdout


def test_divergence_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(fit: Fit) -> None:
        raise TrainingDiverged("vae, step 7: the loss is nan")

    monkeypatch.setattr("minisd.train.run.load_pictures", lambda *_: digits(4, 0))
    monkeypatch.setattr(Fit, "step", diverge)
    refused(minisd("train", "--data", "strokes", "--out", tmp_path / "run"), "vae, step 7: the loss is nan")
