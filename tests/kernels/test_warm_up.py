"""Compiling ahead: everything that training calls, once; and machines where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from minisd_kernels import kernel_cache, warm_up
from minisd_kernels.examples import operations

from minisd.cli import main

# Runs the command that is given, and says at its end which kernels Numba had to compile.
_NAMING_COMPILED = """
import sys
from numba.core import event

compiled = []


class Note(event.Listener):
    def on_start(self, at):
        compiled.append(at.data["dispatcher"].py_func.__qualname__)

    def on_end(self, at):
        pass


event.register("numba:compile", Note())
from minisd.cli import main

main(sys.argv[1:], standalone_mode=False)
print("compiled:", *compiled)
"""

# Nothing can be written anywhere.
_NOWHERE = """
import sys
from minisd_kernels import folders, kernel_cache

kernel_cache.made_writable = lambda folder: False
"""


def _python(code: str, *arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_training_finds_every_kernel_compiled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    first = _python(_NAMING_COMPILED, "kernels", "compile", cache=cache)
    assert first.returncode == 0, first.stderr
    assert "compiling kernels" in first.stderr
    again = _python(_NAMING_COMPILED, "kernels", "compile", cache=cache)
    assert again.stdout.splitlines() == ["they are compiled already", "compiled:"]
    arguments = ["train", "--data", "strokes", "--steps", "1", "--out", str(tmp_path / "run")]
    trained = _python(_NAMING_COMPILED, *arguments, cache=cache)
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.splitlines()[-1] == "compiled:"


def test_another_processor_wants_other_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "folder", lambda: tmp_path)
    assert not warm_up.is_done()
    (tmp_path / warm_up._MARK).write_text(warm_up._stamp())
    assert warm_up.is_done()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert not warm_up.is_done()


def test_a_machine_where_nothing_can_be_kept(tmp_path: Path) -> None:
    code = f"""{_NOWHERE}
import numpy as np
from minisd_kernels import relu, warm_up
print(relu.forward(np.array([-1.0, 2.0])).tolist(), warm_up.is_done(), list(warm_up.compile_kernels()))
from minisd.cli import main
main(["kernels", "compile"])
"""
    done = _python(code, cache=tmp_path)
    assert done.stdout == "[0.0, 2.0] False []\n", done.stderr
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [
            "minisd: compiled kernels cannot be kept: name a folder in the variable NUMBA_CACHE_DIR",
            "Error: there is no folder to keep them in; name one in the variable NUMBA_CACHE_DIR",
        ],
    )


def test_every_example_is_a_job_and_the_largest_operation_comes_first() -> None:
    jobs = warm_up.jobs()
    assert jobs[0] == ("conv2d", 0) and len(set(jobs)) == len(jobs)
    assert {operation for operation, _ in jobs} == set(operations())


@pytest.mark.parametrize("compiled", [False, True])
def test_a_few_pictures_are_not_worth_compiling_for(
    compiled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_up, "is_done", lambda: compiled)
    monkeypatch.delenv("MINISD_BACKEND", raising=False)
    monkeypatch.chdir(tmp_path)
    arguments = ["draw", "a seven", "--steps", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert ("plain NumPy" in result.stderr) is not compiled
    chosen = CliRunner().invoke(main, ["--backend", "numpy", *arguments])
    assert chosen.stderr == ""
