"""The command line, with a model of two training steps: what it writes, and how it refuses what it cannot do."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from minisd import checkpoint
from minisd.cli import main
from minisd.data import DigitSet, draw_strokes, mnist
from minisd.pipeline import Pipeline
from minisd.train.dataset import CaptionedDigits
from minisd.train.loop import Fit, TrainingDiverged

MODEL_FILES = ("vae.safetensors", "clip.safetensors", "unet.safetensors", "tokenizer.json", "model.json")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def minisd(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, *said: str) -> None:
    """The command ended with status 2 and one message, which says so."""
    assert result.exit_code == 2, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit)
    assert "Error: " in result.stderr and "Traceback" not in result.output
    message = " ".join(result.stderr.split())
    for part in said:
        assert part in message


def digits(count: int, seed: int) -> DigitSet:
    drawn = draw_strokes(count, seed)
    return DigitSet(drawn.images, drawn.labels, drawn)


def python(code: str, *arguments: Any, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    """A model of two steps, and what the command said that made it."""
    folder = tmp_path_factory.mktemp("runs") / "strokes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minisd.train.run.load_training_set", lambda name, folder: CaptionedDigits(digits(32, 0)))
        result = minisd("train", "--data", "strokes", "--steps", 2, "--out", folder)
    yield folder, result


@pytest.fixture(scope="session")
def model(trained: tuple[Path, Result]) -> Path:
    assert trained[1].exit_code == 0, trained[1].output
    return trained[0]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are made up land in a folder of their own, and no data set is there."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.delenv("MINISD_DATA", raising=False)
    monkeypatch.delenv("MINISD_BACKEND", raising=False)
    monkeypatch.setenv("MINISD_CACHE", str(tmp_path / "cache"))


# Help and info


@pytest.mark.parametrize("command", ["", "draw", "train", "eval", "judge", "segment", "info"])
def test_help(command: str) -> None:
    result = minisd(*command.split(), "--help")
    assert result.exit_code == 0 and "Usage:" in result.output
    if command == "draw":
        assert "ddim" in result.output


def test_version_and_unknown_commands() -> None:
    assert minisd("--version").output.startswith("minisd, version ")
    refused(minisd("paint"), "No such command 'paint'")
    refused(minisd("--backend", "jax", "info"), "'jax' is not one of")


def test_help_imports_nothing_heavy() -> None:
    process = python("import sys, minisd.cli; print({'numba', 'matplotlib', 'PIL'} & set(sys.modules))")
    assert process.communicate() == ("set()\n", "")


def test_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = minisd("--backend", "numpy", "info")
    assert result.exit_code == 0
    assert f"numpy     {np.__version__}" in result.output
    assert "backend   numpy\n" in result.output and "0 of 4 files" in result.output
    assert str(tmp_path / "cache") in result.output
    monkeypatch.setenv("MINISD_BACKEND", "abacus")
    result = minisd("info")
    assert result.exit_code == 0 and "unknown backend 'abacus'" in result.output


def test_threads() -> None:
    command = [sys.executable, "-m", "minisd", "--threads", "3", "info"]
    said = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=True).stdout
    assert re.search(r"^threads +3$", said, re.MULTILINE)
    refused(minisd("--threads", 0, "info"), "--threads")


def test_info_without_numba() -> None:
    process = python("import sys; sys.modules['numba'] = None; from minisd.cli import main; main(['info'])")
    out, err = process.communicate()
    assert process.returncode == 0 and not err
    assert out.count("numba is not installed: pip install numba") == 2  # as the backend, and in the list of them


def test_missing_backend(model: Path) -> None:
    code = "import sys; sys.modules['numba'] = None; from minisd.cli import main; main()"
    process = python(code, "draw", "a seven", "--model", model)
    out, err = process.communicate()
    assert process.returncode == 2 and not out
    assert "numba is not installed: pip install numba" in err and "Traceback" not in err


def test_broken_pipe_is_quiet() -> None:
    process = python("import sys; sys.stdin.read(); from minisd.cli import main; main(['info'])", stdin=subprocess.PIPE)
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    process.stdin.close()
    with process.stderr as err:
        assert err.read() == ""
    process.wait()


def test_a_bug_keeps_its_traceback(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*args: Any, **options: Any) -> None:
        raise ValueError("operands could not be broadcast together")

    monkeypatch.setattr(Pipeline, "draw", bug)
    assert isinstance(minisd("draw", "a seven", "--model", model).exception, ValueError)


# Drawing


def draw(model: Path, *arguments: Any) -> Result:
    return minisd("draw", "--model", model, "--steps", 2, *arguments)


def test_draw_names_the_picture_and_keeps_those_before(model: Path) -> None:
    for name in ("a-thick-7.png", "a-thick-7-2.png", "a-thick-7-3.png"):
        result = draw(model, "A thick... 7!")
        assert result.exit_code == 0, result.output
        assert f"wrote {name}\n" in result.stdout
        with Image.open(name) as picture:
            assert picture.size == (280, 280)
    assert draw(model, "").exit_code == 0
    assert Path("picture.png").exists()


def test_the_same_seed_gives_the_same_picture(model: Path) -> None:
    for num, seed in ((1, 3), (5, 3), (1, 4)):
        assert draw(model, "a seven", "--num", num, "--seed", seed, "--npz", f"{num}-{seed}.npz").exit_code == 0
    one, five, other = (np.load(f"{name}.npz")["images"] for name in ("1-3", "5-3", "1-4"))
    assert one.shape == (1, 28, 28) and five.shape == (5, 28, 28) and one.dtype == np.uint8
    np.testing.assert_array_equal(one[0], five[0])
    assert not np.array_equal(five[0], five[1]) and not np.array_equal(one, other)


def test_prompts_from_a_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\ufeffa seven\n\n  an 8  \r\n", encoding="utf-8")
    out = tmp_path / "new" / "folder" / "sheet.PNG"
    result = draw(model, "--prompts", tmp_path / "list.txt", "--num", 2, "--npz", "a.npz", "--out", out, "--show-steps")
    assert result.exit_code == 0 and not result.stderr
    with np.load("a.npz") as file:
        assert file["prompts"].tolist() == ["a seven", "a seven", "an 8", "an 8"]
        assert file["images"].shape == (4, 28, 28)
    assert out.exists() and out.with_name("sheet-steps.png").exists()
    assert result.stdout.splitlines() == [f"wrote {out}", f"wrote {out.with_name('sheet-steps.png')}", "wrote a.npz"]
    assert draw(model, "--prompts", tmp_path / "list.txt").exit_code == 0
    assert Path("list.png").exists()


def test_guidance_and_sampler_change_the_picture(model: Path) -> None:
    for name, options in {"a": (), "b": ("--guidance", 5), "c": ("--sampler", "ddpm")}.items():
        assert draw(model, "a seven", "--npz", f"{name}.npz", "--out", f"{name}.png", *options).exit_code == 0
    a, b, c = (np.load(f"{name}.npz")["images"] for name in "abc")
    assert not np.array_equal(a, b) and not np.array_equal(a, c)


def test_out_is_replaced(model: Path) -> None:
    Path("mine.png").write_bytes(b"old")
    assert draw(model, "a seven", "--out", "mine.png").exit_code == 0
    with Image.open("mine.png") as picture:
        picture.verify()
    assert os.listdir() == ["mine.png"]


def test_unknown_words_and_long_prompts_are_warned_of(model: Path) -> None:
    result = draw(model, "a fluffy seven")
    assert result.exit_code == 0 and "never saw 'fluffy'" in result.stderr
    result = draw(model, "a thick seven leaning left " * 5 + "a zero")
    assert result.exit_code == 0 and "a zero' was dropped" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say what to draw"),
        (("a seven", "--num", "0"), "--num"),
        (("a seven", "--num", "-3"), "--num"),
        (("a seven", "--steps", "0"), "--steps"),
        (("a seven", "--steps", "1001"), "wanted 1..1000 steps"),
        (("a seven", "--sampler", "magic"), "choose one of ddpm, ddim"),
        (("a seven", "--guidance", "nan"), "not a finite number"),
        (("a seven", "--guidance", "inf"), "not a finite number"),
        (("a seven", "--seed", "-1"), "--seed"),
        (("a seven", "--out", "a.jpg"), "does not end in .png"),
        (("a seven", "--out", "folder.png"), "is a directory"),
        (("a seven", "--out", "file/a.png"), "could not be written"),
        (("a seven", "--npz", "file/deeper/a.npz"), "could not be written"),
        (("a seven", "--prompts", "empty.txt"), "not both"),
        (("--prompts", "empty.txt"), "holds no prompt"),
        (("--prompts", "latin.txt"), "is not UTF-8"),
        (("--prompts", "missing.txt"), "does not exist"),
        (("--prompts", "folder.png"), "is a directory"),
        (("a seven", "--model", "missing"), "model.json: there is no such file"),
        (("a seven", "--model", "file"), "is a file"),
    ],
)
def test_draw_refuses(model: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)  # nothing is drawn before the arguments are checked
    Path("folder.png").mkdir()
    Path("file").write_text("")
    Path("empty.txt").write_text("\n  \n")
    Path("latin.txt").write_bytes("größe".encode("latin-1"))
    before = sorted(os.listdir())
    refused(minisd("draw", "--model", model, *arguments), said)
    assert sorted(os.listdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_draw_to_a_full_device(model: Path) -> None:
    refused(draw(model, "a seven", "--npz", "/dev/full"), "/dev/full: could not be written: No space left")


def test_draw_on_a_full_disk(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.png").write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused(draw(model, "a seven", "--out", "a.png"), "a.png: could not be written: No space left")
    assert Path("a.png").read_bytes() == b"old" and os.listdir() == ["a.png"]


# Damaged models


def copy_of(model: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in MODEL_FILES:
        (folder / name).symlink_to(model / name)
    return folder


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def safetensors_with(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def with_other_channels(data: bytes) -> bytes:
    about = json.loads(data)
    about["unet"]["channels"] = [channels + 32 for channels in about["unet"]["channels"]]
    return json.dumps(about).encode()


def with_nan(data: bytes) -> bytes:
    return data[:-4] + struct.pack("<f", float("nan"))


OVERLAPPING = json.dumps(
    {name: {"dtype": "F32", "shape": [2], "data_offsets": [at, at + 8]} for name, at in (("a", 0), ("b", 4))}
).encode()


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("model.json", with_other_channels, "of another architecture than UNet"),
        ("model.json", lambda data: data[:100], "model.json: damaged"),
        ("model.json", lambda data: b"[1, 2]", "does not describe a minisd model"),
        ("model.json", lambda data: b'{"format": 99}', "its format is 99"),
        ("model.json", lambda data: data.replace(b'"cosine"', b'"sinus"'), "does not describe a minisd model"),
        ("tokenizer.json", lambda data: b"{}", "tokenizer: wanted"),
        ("tokenizer.json", lambda data: b"\xff", "tokenizer.json: damaged"),
        ("vae.safetensors", lambda data: data[: len(data) // 2], "vae.safetensors: damaged"),
        ("vae.safetensors", lambda data: struct.pack("<Q", 2**40) + data[8:], "vae.safetensors: damaged"),
        ("unet.safetensors", lambda data: safetensors_with(OVERLAPPING, bytes(12)), "unet.safetensors: damaged"),
        ("unet.safetensors", lambda data: safetensors_with(b"{}"), "of another architecture than UNet: missing"),
        ("clip.safetensors", with_nan, "holds NaN or infinite numbers"),
    ],
)
def test_damaged_models_are_refused(
    model: Path, tmp_path: Path, name: str, damage: Callable[[bytes], bytes], said: str
) -> None:
    folder = copy_of(model, tmp_path / "model")
    replace(folder / name, damage((model / name).read_bytes()))
    refused(draw(folder, "a seven"), said)
    refused(minisd("eval", "--model", folder, "--data", "strokes"), said)
    assert not os.listdir()


# Training


def test_train_says_where_the_model_is(trained: tuple[Path, Result]) -> None:
    folder, result = trained
    assert f"the model is in {folder}" in result.stdout and f"minisd eval --model {folder}" in result.stdout
    assert {*MODEL_FILES, "run.json", "loss-vae.png", "loss-unet.png", "samples", "checkpoints"} <= set(
        os.listdir(folder)
    )


def test_a_run_is_not_begun_twice(model: Path) -> None:
    before = (model / "run.json").read_bytes()
    refused(minisd("train", "--data", "strokes", "--out", model), "holds a training run already", "--resume")
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
        (("--data", "mnist", "--data-dir", "missing"), "put the MNIST files there"),
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


def test_a_folder_in_use_is_refused(model: Path) -> None:
    code = "import sys; from pathlib import Path; from minisd.checkpoint import lock_folder\n"
    code += "with lock_folder(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    holder = python(code, model, stdin=subprocess.PIPE)
    with holder:
        assert holder.stdout and holder.stdout.readline() == "locked\n"
        refused(minisd("train", "--resume", "--out", model), "another run is writing to")


def test_divergence_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(fit: Fit) -> None:
        raise TrainingDiverged("vae, step 7: the loss is nan")

    monkeypatch.setattr("minisd.train.run.load_training_set", lambda name, folder: CaptionedDigits(digits(4, 0)))
    monkeypatch.setattr(Fit, "step", diverge)
    refused(minisd("train", "--data", "strokes", "--out", tmp_path / "run"), "vae, step 7: the loss is nan")


# Measuring


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.data.load_digits", lambda name, split, data_dir=None: digits(300, split == "test"))


def test_judge_and_eval(model: Path, few_digits: None) -> None:
    result = minisd("judge", "--steps", 2, "--out", "judge")
    assert result.exit_code == 0, result.output
    assert "accuracy on 300 test digits: 0." in result.output
    result = minisd("eval", "--model", model, "--judge", "judge", "--num", 100, "--steps", 1, "--json", "a/b.json")
    assert result.exit_code == 0, result.output
    names = (
        "accuracy-100 ", "accuracy-10 of each digit", "slant as asked-100", "Fréchet-100 ", "(real against real",
        "recall-100", "accuracy on real digits-300", "PSNR of reconstructions-300", "right digit of ten-300",
    )  # fmt: skip
    for name in names:
        assert name in result.stdout
    report = checkpoint.load_json("a/b.json")
    assert [part["count"] for part in report["drawings"]] == [100, 100]
    assert len(report["drawings"][0]["accuracy_by_digit"]) == 10


def test_judge_for_some_time(few_digits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.train.classifier._MEASURED_STEPS", (1, 2))
    result = minisd("judge", "--minutes", 0.001, "--out", "judge")
    assert result.exit_code == 0 and checkpoint.load_weights("judge/judge.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--num", "0"), "--num"),
        (("--num", "105"), "a multiple of 10"),
        (("--num", "5000"), "ten times the rarest digit"),
        (("--steps", "1001"), "wanted 1..1000 steps"),
        (("--judge", "missing"), "judge.safetensors: there is no such file"),
        (("--json", "file/a.json"), "could not be written"),
        (("--data", "strokes", "--data-dir", "."), "leave out --data-dir"),
    ],
)
def test_eval_refuses(
    model: Path, few_digits: None, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(Pipeline, "draw", None)
    Path("file").write_text("")
    refused(minisd("eval", "--model", model, *arguments), said)


def test_judge_refuses() -> None:
    Path("file").write_text("")
    refused(minisd("judge", "--out", "file/judge"), "could not be written")
    refused(minisd("judge", "--steps", "0"), "--steps")
    refused(minisd("judge", "--data-dir", "missing"), "put the MNIST files there")
