"""Runs that are killed or stopped and go on: the model is, to the byte, that of a run that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minisd.data import draw_strokes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="sends signals"),
]

MODEL_FILES = ("vae.safetensors", "clip.safetensors", "unet.safetensors", "tokenizer.json", "model.json")
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
# The command line with a state saved after every step, so that little is done twice.
MINISD = """
from minisd.cli import main
from minisd.train import drive

drive.SAVE_SECONDS = 0
main(prog_name="minisd")
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    drawn = draw_strokes(24, seed=0)
    lines = ["file,caption"]
    for i, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        Image.fromarray(image).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{'an odd' if label % 2 else 'an even'} one")
    (folder / "captions.csv").write_text("\n".join(lines))
    return folder


def begin(pictures: Path, out: Path) -> subprocess.Popen[str]:
    return minisd("--data", "folder", "--data-dir", str(pictures), "--steps", "12", "--out", str(out))


def resume(out: Path) -> subprocess.Popen[str]:
    return minisd("--resume", "--out", str(out))


def minisd(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MINISD, "train", *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, bytes]:
    """The files of the model, once the process has ended."""
    _, err = process.communicate()
    assert process.returncode == 0, err
    out = Path(str(process.args[-1]))  # type: ignore[index]
    return {name: (out / name).read_bytes() for name in MODEL_FILES}


def send_after(process: subprocess.Popen[str], out: Path, states: int, seconds: float, number: signal.Signals) -> str:
    """Send a signal some `seconds` after the process has saved so many new `states`; what it wrote to stderr."""

    def saved() -> set[str]:
        return {path.name for path in (out / "checkpoints").glob("*") if not path.suffix}

    before, new = saved(), set[str]()
    while len(new) < states and process.poll() is None:
        new |= saved() - before
        time.sleep(0.002)
    time.sleep(seconds)
    process.send_signal(number)
    return process.communicate()[1]


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return finish(begin(pictures, tmp_path_factory.mktemp("undisturbed") / "out"))


def test_ten_kills(pictures: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    rng, out = np.random.default_rng(0), tmp_path / "out"
    for kill in range(10):
        process = resume(out) if kill else begin(pictures, out)
        err = send_after(process, out, int(rng.integers(1, 3)), rng.uniform(0, 0.04), signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, err
    assert finish(resume(out)) == undisturbed


def test_ctrl_c(pictures: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = begin(pictures, out)
    err = send_after(process, out, 3, 0.01, signal.SIGINT)
    assert process.returncode == 130
    assert f"Go on with: minisd train --resume --out {out}" in err and "Traceback" not in err
    assert finish(resume(out)) == undisturbed
