"""The command as a whole: what ends it, and how."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import Any

import click
import pytest
from click.testing import CliRunner
from minisd_kernels import backends

from minisd.cli import Commands, main

# Ctrl-C at the moment when the command line is about to be imported.
_INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(name, *rest):
        if name == "minisd.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt)
from minisd.__main__ import run
run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to oneself")
def test_ctrl_c_while_importing_is_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What comes of a command that ends so."""

    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(Commands, "get_command", lambda self, ctx, name: command)
    return CliRunner().invoke(main, ["info"])


def test_ctrl_c_in_a_command_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    result = failing(KeyboardInterrupt(), monkeypatch)
    assert (result.exit_code, result.output) == (130, "")


def test_too_little_memory_to_load_a_library_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    result = failing(ImportError("libz.so: failed to map segment from shared object"), monkeypatch)
    assert (
        result.exit_code == 2
        and result.output.startswith("Error: not enough memory to load")
        and "libz" in result.output
    )
    assert isinstance(failing(ImportError("no module"), monkeypatch).exception, ImportError)


def test_without_numba_the_way_to_numpy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "numba" else find_spec(name))
    monkeypatch.delenv("MINISD_BACKEND", raising=False)
    backends.missing_reason.cache_clear()
    try:
        for arguments in (["kernels", "compile"], ["draw", "a seven"], ["bench", "kernels"]):
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 2 and "--backend numpy, or the variable MINISD_BACKEND=numpy" in result.stderr
    finally:
        backends.missing_reason.cache_clear()
