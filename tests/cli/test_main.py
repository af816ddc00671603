"""Help, versions, backends and threads, and how every command ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import ENVIRONMENT, minisd, python, refused

from minisd.pipeline import Pipeline


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
