"""Help, versions, backends and threads, and how every command ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.shell_completion import ShellComplete
from command_line import ENVIRONMENT, minisd, python, refused
from minisd_kernels.backends import BackendUnavailable, current_backend, use_backend
from minisd_kernels.cuda.inspect.occupancy import LIMITS
from minisd_kernels.shapes import ShapeError

from minisd.cli import COMMANDS, main
from minisd.cli.kernels import compile_first
from minisd.data import mnist
from minisd.pipeline import Pipeline, SamplingDiverged, shipped_model


@pytest.mark.parametrize("command", ["", "draw", "train", "eval", "judge", "segment", "info"])
def test_help(command: str) -> None:
    result = minisd(*command.split(), "--help")
    assert result.exit_code == 0 and "Usage:" in result.output
    if command == "draw":
        assert "ddim" in result.output


def test_version_and_unknown_commands() -> None:
    assert minisd("--version").output.startswith("minisd, version ")
    result = minisd("xyzzy")
    refused(result, "No such command 'xyzzy'.")
    assert "Did you mean" not in result.stderr
    refused(minisd("drwa", "a seven"), "No such command 'drwa'. Did you mean draw?")
    refused(minisd("draw", "--promts", "a"), "No such option", "--prompts")
    refused(minisd("--backend", "jax", "info"), "'jax' is not one of")


@pytest.mark.parametrize("command", [(), ("draw",), ("kernels",), ("kernels", "trace"), ("eval",), ("bench",)])
def test_help_has_a_short_name(command: tuple[str, ...]) -> None:
    assert minisd(*command, "-h").output == minisd(*command, "--help").output


def test_help_leads_on() -> None:
    said = " ".join(minisd("--help").output.split())
    assert "minisd tutorials" in said and "minisd course" in said
    for command in COMMANDS:
        assert f" {command} " in said
    assert "..." not in said.partition("Commands:")[2]  # each is said in one line
    assert all(len(line) <= 80 for line in minisd("--help").output.splitlines())


@pytest.mark.parametrize("option", [("--backend", "numpy"), ("--threads", "1")])
def test_options_of_all_commands_stand_before_them(option: tuple[str, str]) -> None:
    said = f"No such option '{option[0]}'. It stands before the command: minisd {option[0]} ... draw"
    refused(minisd("draw", "a seven", *option), said)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("dr", ["draw"]), ("draw --sampler dd", ["ddpm", "ddim"]), ("kernels tr", ["trace"]), ("--back", ["--backend"])],
)
def test_the_shell_completes(typed: str, offered: list[str]) -> None:
    *before, last = typed.split()
    items = ShellComplete(main, {}, "minisd", "_MINISD_COMPLETE").get_completions(before, last)
    assert [item.value for item in items] == offered


def test_help_imports_nothing_heavy() -> None:
    process = python("import sys, minisd.cli; print({'numba', 'matplotlib', 'PIL'} & set(sys.modules))")
    assert process.communicate() == ("set()\n", "")


def test_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = minisd("--backend", "numpy", "info")
    assert result.exit_code == 0
    assert f"numpy     {np.__version__}" in result.output
    assert "backend   numpy\n" in result.output
    assert "0 of 4 files" in " ".join(result.output.split())  # the line is broken where the path leaves no room
    assert str(tmp_path / "cache") in result.output
    monkeypatch.setenv("MINISD_BACKEND", "abacus")
    result = minisd("info")
    assert result.exit_code == 0 and "backend 'abacus': there is no such backend" in result.output


def test_threads() -> None:
    command = [sys.executable, "-m", "minisd", "--threads", "3", "info"]
    said = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=True).stdout
    assert re.search(r"^threads +3$", said, re.MULTILINE)
    refused(minisd("--threads", 0, "info"), "--threads")


def test_info_fits_the_terminal_and_leaves_paths_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", lambda device: "needs this and that, " * 9)
    monkeypatch.setenv("MINISD_DATA", "/a/" + 90 * "long" + "/path")
    monkeypatch.setenv("COLUMNS", "80")
    lines = minisd("info").output.splitlines()
    wide = [line for line in lines if len(line) > 80]
    assert all("/" in line for line in wide) and sum("needs this" in line for line in lines) > 3
    assert "/a/" + 90 * "long" + "/path:" in " ".join(lines)
    facts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert facts == [
        "minisd",
        "Python",
        "numpy",
        "numba",
        "platform",
        "CPU",
        "backend",
        "devices",
        "threads",
        "MNIST",
        "model",
    ]
    assert f"model     {shipped_model()}: present" in lines and "(MINISD_DATA is set)" in " ".join(lines)


def test_info_says_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"cpu": None, "cuda": "no GPU here", "emu": None}
    monkeypatch.setattr("minisd_kernels.devices.missing_device_reason", missing.get)
    monkeypatch.setattr("minisd_kernels.backends.missing_reason", {"numpy": None, "numba": "numba is gone"}.get)
    monkeypatch.setenv("MINISD_DATA", str(tmp_path))
    images, labels = mnist.FILES["train"]
    (tmp_path / images).touch()
    (tmp_path / f"{labels}.gz").touch()
    lines = minisd("--backend", "numpy", "info").output.splitlines()
    for expected in (
        f"numpy     {metadata.version('numpy')}", f"numba     {metadata.version('numba')}", "backend   numpy",
        "  numpy   present", "  numba   numba is gone", "devices   cpu, emu", "  cpu     present",
        "  cuda    no GPU here", "  emu     present",
    ):  # fmt: skip
        assert expected in lines
    assert f"MNIST {tmp_path}: 2 of 4 files (MINISD_DATA is set)" in " ".join(" ".join(lines).split())
    monkeypatch.setattr("minisd.pipeline.shipped_model", lambda: tmp_path)
    assert "missing; make one: minisd train" in " ".join(minisd("info").output.split())


def test_kernels_are_compiled_only_where_numba_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[int] = []
    monkeypatch.setattr("minisd_kernels.warm_up.compile_kernels", lambda: compiled.append(1) or iter(()))
    monkeypatch.setattr("minisd_kernels.warm_up.is_done", lambda: False)
    with use_backend("numba"):
        assert not compile_first("cuda") and not compile_first("emu") and not compiled
        assert compile_first() and compiled == [1]
        monkeypatch.setattr("minisd_kernels.warm_up.is_done", lambda: True)
        assert not compile_first()
    monkeypatch.setattr("minisd_kernels.warm_up.is_done", lambda: False)
    with use_backend("numpy"):
        assert not compile_first() and compiled == [1]


def test_the_report_is_of_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[int], str]] = []
    monkeypatch.setattr("minisd.cli.kernels._figures", lambda archs, only: asked.append((archs, only)) or [])
    monkeypatch.setattr("minisd_kernels.cuda.inspect.table.lines", lambda figures: ["a line"])
    assert minisd("kernels", "report", "--arch", "90", "--arch", "75", "--only", "relu").stdout == "a line\n"
    assert minisd("kernels", "report").exit_code == 0
    assert asked == [([75, 90], "relu"), (list(LIMITS), "")]


def test_python_m_minisd_is_the_command() -> None:
    command = [sys.executable, "-m", "minisd", "paint"]
    ended = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=False)
    assert ended.returncode == 2 and ended.stderr.startswith("Usage: minisd ") and not ended.stdout


def test_what_ends_a_command_badly_is_one_message(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: Exception) -> Callable[..., None]:
        def draw(*args: Any, **options: Any) -> None:
            raise error

        return draw

    for error, said in (
        (MemoryError(), "not enough memory"),
        (MemoryError("6 GB"), "not enough memory (6 GB); ask for less at a time"),
        (OSError(5, "Input/output error", "disk"), "disk: Input/output error"),
        (OSError("odd"), "odd"),
        (SamplingDiverged("drawing: at step 3"), "drawing: at step 3"),
        (BackendUnavailable("numba is gone"), "numba is gone"),
        (ShapeError("7 meets 8"), "7 meets 8"),
    ):
        monkeypatch.setattr(Pipeline, "draw", raising(error))
        refused(minisd("draw", "a seven", "--model", model), f"Error: {said}")


def test_the_backend_that_is_asked_for_computes(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy draws a few pictures while Numba's kernels are not compiled; what the user says comes first."""
    seen = []

    def draw(self: Pipeline, texts: list[str], **options: Any) -> Any:
        seen.append((current_backend(), len(texts)))
        return np.zeros((len(texts), 28, 28), np.uint8)

    compiled: list[int] = []
    monkeypatch.setattr(Pipeline, "draw", draw)
    monkeypatch.setattr("minisd_kernels.warm_up.is_done", lambda: False)
    monkeypatch.setattr("minisd.cli.draw.compile_first", lambda *_: compiled.append(1))
    said = minisd("draw", "a seven")
    assert "drawing with plain NumPy; minisd kernels compile makes the fast kernels, once" in said.stderr
    assert seen.pop() == ("numpy", 1) and not compiled
    assert not minisd("--backend", "numba", "draw", "a seven").stderr
    assert seen.pop() == ("numba", 1)
    minisd("--backend", "numpy", "draw", "a seven")
    assert seen.pop() == ("numpy", 1)
    monkeypatch.setenv("MINISD_BACKEND", "numba")
    minisd("draw", "a seven")
    assert seen.pop() == ("numba", 1) and not compiled
    monkeypatch.delenv("MINISD_BACKEND")
    minisd("draw", "a seven", "--num", 64)
    assert seen.pop() == ("numpy", 64) and not compiled
    minisd("draw", "a seven", "--num", 65)
    assert seen.pop() == ("numba", 65) and compiled == [1]
    monkeypatch.setattr("minisd_kernels.warm_up.is_done", lambda: True)
    assert not minisd("draw", "a seven").stderr
    assert seen.pop() == ("numba", 1)


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


# What commands write beside their lines


@pytest.mark.parametrize(
    ("command", "taken"),
    [
        (("animate", "pool", "--out", "a.gif"), "a.gif"),
        (("animate", "pool", "--out", "a.gif"), "a-frames.png"),
        (("claims", "--json", "a.json"), "a.json"),
        (("bench", "kernels", "--only", "max-pool", "--json", "a.json"), "a.json"),
        (("bench", "kernels", "--only", "max-pool", "--plot", "a.png"), "a.png"),
        (("kernels", "report", "--json", "a.json"), "a.json"),
    ],
)
def test_no_command_replaces_a_file(command: tuple[str, ...], taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.bench.machine.restart_if_needed", lambda: None)
    Path(taken).write_text("old")
    refused(minisd(*command), f"{taken} is there already")
    assert Path(taken).read_text() == "old" and os.listdir() == [taken]


def test_no_command_writes_two_things_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minisd.bench.machine.restart_if_needed", lambda: None)
    refused(minisd("bench", "kernels", "--json", "a.png", "--plot", "a.png"), "a.png is named for two outputs")
    assert not os.listdir()


def test_animate_numbers_the_names_that_it_makes_up() -> None:
    for names in (["pool.gif", "pool-frames.png"], ["pool-2.gif", "pool-2-frames.png"]):
        result = minisd("animate", "pool", "--input", 2)
        assert result.exit_code == 0, result.output
        assert [line for line in result.stdout.splitlines() if line.startswith("wrote")] == [
            f"wrote {n}" for n in names
        ]
        assert all(Path(name).stat().st_size for name in names)
