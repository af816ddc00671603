"""What train writes, and how it refuses what it cannot do."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from command_line import MODEL_FILES, copy_of, digits, minisd, python, refused

from minisd.data import mnist
from minisd.train.loop import Fit, TrainingDiverged


def test_train_says_where_the_model_is(trained: tuple[Path, Result]) -> None:
    folder, result = trained
    assert result.exit_code == 0, result.output
    assert f"the model is in {folder}" in result.stdout and f"minisd eval --model {folder}" in result.stdout
    assert {*MODEL_FILES, "run.json", "loss-vae.png", "loss-unet.png", "samples", "checkpoints"} <= set(
        os.listdir(folder)
    )


def test_a_run_is_not_begun_twice(trained: tuple[Path, Result]) -> None:
    model = trained[0]
    before = (model / "run.json").read_bytes()
    refused(
        minisd("train", "--data", "strokes", "--out", model), "holds a training run already", f"--resume --out {model}"
    )
    assert (model / "run.json").read_bytes() == before
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
        (("--resume", "--seed", "1", "--steps", "2"), "leave out --seed, --steps"),
        (("--resume",), "run.json: there is no such file"),
    ],
)
def test_train_refuses(arguments: tuple[str, ...], said: str) -> None:
    Path("file").write_text("")
    refused(minisd("train", *arguments), said)
    assert not list(Path().rglob("run.json"))  # so the same command works as soon as the mistake is corrected


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


IMAGES, LABELS = mnist.FILES["train"]
GOOD = {IMAGES: idx(np.zeros((5, 28, 28), np.uint8)), LABELS: idx(np.arange(5, dtype=np.uint8))}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        (f"{IMAGES}.gz", gzip.compress(GOOD[IMAGES])[:-20], "the gzip stream stops early"),
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


def test_divergence_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(fit: Fit) -> None:
        raise TrainingDiverged("vae, step 7: the loss is nan")

    monkeypatch.setattr("minisd.train.run.load_pictures", lambda *_: digits(4, 0))
    monkeypatch.setattr(Fit, "step", diverge)
    refused(minisd("train", "--data", "strokes", "--out", tmp_path / "run"), "vae, step 7: the loss is nan")
