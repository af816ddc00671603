"""The command line in this process: what it says, how it ends, and models to break."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from minisd.cli import main
from minisd.data import DigitSet, draw_strokes

MODEL_FILES = ("vae.safetensors", "clip.safetensors", "unet.safetensors", "tokenizer.json", "model.json")
HIRES_FILE = "hires.safetensors"  # of a model with the second stage
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


def copy_of(model: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in (*MODEL_FILES, HIRES_FILE):
        if (model / name).exists():
            (folder / name).symlink_to(model / name)
    return folder


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)
