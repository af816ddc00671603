"""Benchmarks: candidates take turns, medians and ratios are theirs, and what computes something else is not timed."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from minisd_kernels.backends import use_backend
from minisd_kernels.switches import tensor_cores
from strategies import on_cuda, on_emu

from minisd import bench, ops
from minisd.autograd import Tensor
from minisd.bench import KERNELS, STEPS, Candidate, Case, Machine, Mismatch, Row, Work, machine, run_case, runner, table
from minisd.bench.kernels import CONVOLUTIONS, Convolution, _adam, _max_pool
from minisd.bench.roofline import roofline, save_roofline
from minisd.bench.steps import training_flops
from minisd.cli import main

TORCH = SimpleNamespace(without_tensor_cores=nullcontext)  # what the runner asks of PyTorch's side
each_device = pytest.mark.parametrize("device", [on_emu, on_cuda])
MACHINE = Machine("A processor", 2, {"Python": "3", "torch": "2"}, "numba", 100.0, "NumPy", 10.0, 0.5)


class Clock:
    """A clock that stands still but for those who work."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def candidate(self, name: str, *seconds: float, output: float = 1.0) -> Candidate:
        """Someone who takes `seconds` one after the other, and the last of them ever after."""
        left = list(seconds)

        def run() -> None:
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return Candidate(name, run, lambda: {"y": np.full(3, output, np.float32)})


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PAUSE", 0)


def case_of(ours: Candidate, *theirs: Candidate, tolerance: float = 1e-5) -> Case:
    work = Work(ours, lambda torch: list(theirs), 10**9, {"x": np.zeros(5, np.float32)})
    return Case("a case", "a group", "1 x 1", tolerance, lambda device: work)


def test_candidates_take_turns_there_and_back() -> None:
    clock = Clock()
    times = runner.take_turns([clock.candidate("a", 1.0), clock.candidate("b", 2.0)], 0, clock)
    # Long calls all count but the very first of each, which warms up.
    assert clock.calls == ["a", "a", "b", "b", "b", "a", "a", "b"]
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_short_calls_are_warmed_up_and_fill_their_turn() -> None:
    clock = Clock()
    times = runner.take_turns([clock.candidate("a", 0.008)], 0, clock)
    assert len(times["a"]) == 9 and len(clock.calls) == 12  # three rounds of 1 + 3 calls, 24 ms being more than 20


def test_the_time_is_kept() -> None:
    clock = Clock()
    runner.take_turns([clock.candidate("a", 1.0), clock.candidate("b", 1.0)], 20, clock)
    assert 20 <= clock.now <= 24


def test_a_row_has_medians_and_the_best_of_theirs() -> None:
    clock = Clock()
    slow, fast = clock.candidate("slow", 5.0), clock.candidate("fast", 9.0, 1.0, 3.0, 100.0)
    row = run_case(case_of(clock.candidate("minisd", 2.0), slow, fast), TORCH, 0, clock)
    assert row.ms == {"minisd": 2000.0, "slow": 5000.0, "fast": 3000.0}
    assert row.least_ms == {"minisd": 2000.0, "slow": 5000.0, "fast": 1000.0} and row.calls == 3
    assert (row.best_of_theirs, row.ratio, row.gflops) == ("fast", 1.5, 0.5)
    assert row.bytes == 5 * 4 + 3 * 4 and row.error == 0


def test_without_torch_minisd_is_timed_alone() -> None:
    clock = Clock()

    def never(torch: Any) -> list[Candidate]:
        raise AssertionError("PyTorch is not there")

    work = Work(clock.candidate("minisd", 2.0), never, 10**9, None)
    row = run_case(Case("a case", "a group", "1 x 1", 1e-5, lambda device: work), None, 0, clock)
    assert (row.ms, row.ratio, row.best_of_theirs, row.bytes, row.error) == ({"minisd": 2000.0}, None, None, None, None)


@pytest.mark.parametrize("theirs", [1.1, math.nan, 1.0 + 1e-4])
def test_what_computes_something_else_is_not_timed(theirs: float) -> None:
    clock = Clock()
    case = case_of(clock.candidate("minisd", 1.0), clock.candidate("eager", 1.0, output=theirs))
    with pytest.raises(Mismatch, match=r"a case, 1 x 1: y differs from PyTorch's \(eager\) by"):
        run_case(case, TORCH, 0, clock)
    assert clock.calls == []


def test_the_compiler_can_be_left_out() -> None:
    clock = Clock()
    eager, compiled = clock.candidate("contiguous, eager", 3.0), clock.candidate("contiguous, compiled", 1.0)
    case = case_of(clock.candidate("minisd", 2.0), eager, compiled)
    assert run_case(case, TORCH, 0, clock).best_of_theirs == "contiguous, compiled"
    clock.calls.clear()
    assert run_case(case, TORCH, 0, clock, compiled=False).best_of_theirs == "contiguous, eager"
    assert "contiguous, compiled" not in clock.calls


def test_other_outputs_or_shapes_are_refused() -> None:
    case, y = case_of(Clock().candidate("minisd", 1.0)), np.ones(3)
    with pytest.raises(Mismatch, match=r"minisd returns y; PyTorch \(eager\) y, z"):
        runner.largest_error(case, {"y": y}, "eager", {"y": y, "z": y})
    with pytest.raises(Mismatch, match=r"y is \(3,\) in minisd and \(1, 3\) in PyTorch"):
        runner.largest_error(case, {"y": y}, "eager", {"y": y[None]})
    assert runner.largest_error(case, {"y": 0 * y}, "eager", {"y": 0 * y}) == 0


def row(group: str, ratio: float | None, name: str = "a case") -> Row:
    ms = {"minisd": 2.0} | ({} if ratio is None else {"eager": 2 * ratio, "compiled": 5 * ratio})
    return Row(name, group, "1 x 1", 10**7, 10**6, ms, ms, 3, 0.0)


def test_groups_have_geometric_means() -> None:
    means = runner.mean_ratios([row("a", 2.0), row("a", 0.5), row("b", 3.0), row("c", None)])
    assert means == {"a": pytest.approx(1.0), "b": pytest.approx(3.0)}


def test_the_table_stands_in_columns() -> None:
    heading, (name, line) = table.heading(), table.line(row("a", 1.5), MACHINE).splitlines()
    assert name == f"{row('a', 1.5).name}, 1 x 1"
    for title, value in [("minisd ms", "2.000"), ("PyTorch ms", "3.000"), ("ratio", "1.50"), ("GFLOP/s", "5")]:
        end = heading.index(title) + len(title)
        assert line[:end].endswith(f" {value}")
    assert line.endswith(" 5%") and " eager " in line
    assert table.line(row("a", None), MACHINE).splitlines()[1].split()[1:] == ["-", "-", "-", "5", "5%"]
    assert list(table.summary([row("a", 2.0), row("a", 8.0), row("b", None)])) == [
        f"{'a':<40}  4.00   geometric mean of 2 ratios"
    ]


def test_every_line_fits_a_terminal_of_80_columns() -> None:
    slow = Row("", "", "", 10**15, 1, {"minisd": 123456.0, "channels last, compiled": 123456.0}, {}, 1, None)
    for case in (*KERNELS, *STEPS):
        lines = table.line(replace(slow, name=case.name, shapes=case.shapes), MACHINE).splitlines()
        assert len(lines) == 2 and max(map(len, lines)) <= 80, case
    versions = dict.fromkeys("abcdefgh", "1.2.3.dev4")
    long = replace(MACHINE, cpu="Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", versions=versions)
    assert max(map(len, [*table.opening(long), *table.opening(MACHINE), table.heading()])) <= 80


def test_the_opening_says_how_to_get_torch() -> None:
    alone = replace(MACHINE, versions={"Python": "3"})
    assert 'pip install "minisd[bench]"' in "\n".join(table.opening(alone))
    together = "\n".join(table.opening(MACHINE))
    assert "Other processes" not in together
    assert "Other processes are at work" in "\n".join(table.opening(replace(MACHINE, load=1.5)))
    assert "pip install" not in together and "100 GFLOP/s" in together and "2 threads" in together


def test_the_json_has_every_way_of_pytorch() -> None:
    found = json.loads(json.dumps(table.as_json(MACHINE, [row("a", 1.5)])))
    assert found["machine"]["ceiling"] == 100
    assert found["rows"][0]["ms"] == {"minisd": 2.0, "eager": 3.0, "compiled": 7.5}
    assert found["rows"][0]["ratio"] == 1.5 and found["geometric_mean_of_ratios"] == {"a": pytest.approx(1.5)}


def test_the_roofline_is_a_picture(tmp_path: Path) -> None:
    save_roofline(tmp_path / "r.png", MACHINE, [row("a", 1.5), row("b", None), replace(row("c", 1.0), bytes=None)])
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_every_case_has_its_own_title() -> None:
    titles = [(case.name, case.group, case.shapes) for case in (*KERNELS, *STEPS)]
    assert len(set(titles)) == len(titles)


def small(layer: Convolution) -> Convolution:
    return layer._replace(batch=1, size=9, channels=min(layer.channels, 3), outputs=2)


@pytest.mark.parametrize("layer", {small(layer) for layer in CONVOLUTIONS})
def test_convolutions_have_three_passes_of_the_same_work(layer: Convolution) -> None:
    with use_backend("numpy"):
        works = [layer.forward("cpu"), layer.input_gradient("cpu"), layer.weight_gradient("cpu")]
        x, weight, bias, grad = layer.arrays()
        y, grad_x, grad_weight, grad_bias = (array for work in works for array in work.ours.outputs().values())
    tensors = [Tensor(array, requires_grad=True) for array in (x, weight, bias)]
    with use_backend("numpy"):
        wanted = ops.conv2d(*tensors, stride=layer.stride, padding=layer.padding)
        wanted.backward(grad)
    for found, tensor in zip((grad_x, grad_weight, grad_bias), tensors, strict=True):
        np.testing.assert_array_equal(found, tensor.grad)
    np.testing.assert_array_equal(y, wanted.data)
    assert works[0].flops == works[1].flops == 2 * y.size * weight.size // y.shape[-1]


@each_device
def test_on_a_device_the_same_work_is_timed(device: str) -> None:
    layer = small(CONVOLUTIONS[1])
    for build in (layer.forward, layer.weight_gradient, partial(_max_pool, (2, 7, 6, 3)), partial(_adam, 50)):
        case = Case("a case", "a group", "1 x 1", 1e-4, build)
        with use_backend("numpy"), tensor_cores.off():
            outputs = [build(place).ours.outputs() for place in (device, "cpu")]
            runner.largest_error(case, outputs[0], "the CPU", outputs[1])
            assert run_case(case, None, 0, device=device).ours > 0


def test_a_gpu_is_waited_for_in_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waited = Clock(), []
    monkeypatch.setattr(runner, "synchronise", waited.append)
    runner.take_turns([clock.candidate("a", 1.0)], 0, clock, "cuda")
    assert waited == ["cuda"] * len(clock.calls)


def test_a_gpu_is_named() -> None:
    gpu = replace(MACHINE, device="cuda", backend="cuda", gpu="A GPU", versions={"torch": "2"})
    assert next(table.opening(gpu)) == "A GPU; torch 2; backend cuda, float32, products in TF32"
    with tensor_cores.off():
        assert next(table.opening(gpu)).endswith("backend cuda, float32")
    assert "not installed for this GPU" in "\n".join(table.opening(replace(gpu, versions={})))


def test_flops_of_a_network() -> None:
    def leaf(*shape: int) -> Tensor:
        return Tensor(np.ones(shape, np.float32), requires_grad=True)

    with use_backend("numpy"):
        image = Tensor(np.ones((1, 4, 4, 1), np.float32))
        h = ops.conv2d(image, leaf(3, 3, 1, 2), padding=1)  # 2 x 16 pixels x 9 x 2
        y = ops.conv_transpose2d(h, leaf(2, 2, 2, 3), stride=2)  # 2 x 16 pixels x 4 x 2 x 3
        tokens = y.reshape(1, 64, 1, 3)
        z = ops.attention(tokens, tokens, tokens)  # 2 x (64 x 64 x 3) x 2
    assert training_flops(z, backward=False) == 576 + 768 + 49_152
    assert training_flops(z) == 2 * 576 + 3 * 768 + 3 * 49_152


def test_the_machine_has_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SIZE", 64)
    monkeypatch.setattr(machine, "COPIED", 1 << 12)
    found = bench.measure_machine(None, rounds=2)
    assert found.ceiling > 0 and found.bandwidth > 0 and found.ceiling_by == "NumPy" and found.threads >= 1
    assert found.device == "cpu" and found.gpu is None and found.processor == f"{found.cpu}, {found.threads} threads"


@each_device
def test_a_device_has_a_ceiling(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SIZE", 64)
    monkeypatch.setattr(machine, "COPIED", 1 << 12)
    found = bench.measure_machine(None, rounds=2, device=device)
    assert found.ceiling > 0 and found.bandwidth > 0 and found.device == found.backend == device
    assert (found.gpu is None) == (device == "emu")


class Restarted(Exception):
    """The process would be another one now."""


def test_the_process_starts_anew_with_its_memory_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def execve(path: str, arguments: list[str], environment: dict[str, str]) -> None:
        raise Restarted(path, arguments, environment)

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "minisd", "bench"])
    monkeypatch.delenv("MALLOC_MMAP_MAX_", raising=False)
    with pytest.raises(Restarted) as restarted:
        machine.restart_if_needed()
    path, arguments, environment = restarted.value.args
    assert path == arguments[0] == sys.executable and arguments[1:] == ["-m", "minisd", "bench"]
    assert environment["MALLOC_MMAP_MAX_"] == "0" and environment["OMP_NUM_THREADS"] == str(machine.thread_count())
    assert "PATH" in environment
    for name, value in machine.wanted_environment().items():
        monkeypatch.setenv(name, value)
    machine.restart_if_needed()
    monkeypatch.delenv("MALLOC_MMAP_MAX_")
    monkeypatch.setattr(sys, "platform", "darwin")
    machine.restart_if_needed()


def minisd(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """The command on small sizes, in this process."""
    monkeypatch.setattr(machine, "restart_if_needed", lambda: None)
    monkeypatch.setattr(machine, "SIZE", 64)
    monkeypatch.setattr(machine, "COPIED", 1 << 12)
    tiny = Convolution("tiny", 1, 6, 2, 3)
    monkeypatch.setattr(bench, "KERNELS", [Case("conv2d", "tiny", tiny.shapes, 1e-5, tiny.forward)])
    return CliRunner().invoke(main, ["--backend", "numpy", "bench", "--seconds", "0", *arguments])


def test_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # an import then finds nothing
    monkeypatch.delitem(sys.modules, "minisd.bench.in_torch", raising=False)
    monkeypatch.delattr(bench, "in_torch", raising=False)
    files = tmp_path / "b.json", tmp_path / "b.png"
    result = minisd(monkeypatch, "kernels", "--json", str(files[0]), "--plot", str(files[1]))
    assert result.exit_code == 0, result.output
    assert re.search(r"conv2d, 1 x 6 x 6 x 2 -> 3, 3 x 3\n +[\d.]+ +- +- +- ", result.stdout)
    assert 'pip install "minisd[bench]"' in result.stdout
    assert json.loads(files[0].read_text())["rows"][0]["flops"] == 2 * 36 * 3 * 18
    assert files[1].is_file()


def test_a_mismatch_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SimpleNamespace(
        VERSION="0",
        use=lambda device, threads, tensor_cores: None,
        without_tensor_cores=nullcontext,
        matrix_product=lambda a, b: lambda: None,
        conv2d_forward=lambda *arrays: [Candidate("eager", lambda: None, lambda: {"y": np.ones((1, 6, 6, 3))})],
    )
    monkeypatch.setitem(sys.modules, "minisd.bench.in_torch", wrong)
    monkeypatch.setattr(bench, "in_torch", wrong, raising=False)
    result = minisd(monkeypatch, "kernels")
    assert result.exit_code == 2 and "differs from PyTorch's (eager)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "conv9d"], "no case contains 'conv9d'; there are: conv2d,"),
        (["steps", "--plot", "x.png"], "--plot draws kernels"),
        (["--plot", "x.pdf"], "does not end in .png"),
        (["--json", "/nowhere/at/all/x.json"], "/nowhere"),
        (["everything"], "'everything' is not one of"),
    ],
)
def test_the_command_refuses(monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    if "/nowhere" in message and os.access("/", os.W_OK):
        pytest.skip("may write everywhere")
    result = minisd(monkeypatch, *arguments)
    assert result.exit_code == 2 and message in result.stderr


def test_the_process_as_people_start_it() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "minisd",
            "--backend",
            "numpy",
            "bench",
            "kernels",
            "--only",
            "6272 x 64",
            "--seconds",
            "0",
        ],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")},
    )
    assert done.returncode == 0, done.stderr
    assert "layer norm, both ways" in done.stdout


def test_every_point_of_the_roofline_has_a_number_and_a_name() -> None:
    rows = [
        row("a", 1.5, "one"),
        row("a", None, "two"),
        replace(row("b", 1.0, "three"), bytes=None),
        row("c", 2.0, "four"),
    ]
    axes, key = roofline(MACHINE, rows).axes
    assert [text.get_text() for text in axes.texts[:3]] == ["1", "2", "3"]
    told = [text.get_text() for text in key.texts]
    assert told == ["a", "1  one, 1 x 1", "2  two, 1 x 1", "c", "3  four, 1 x 1", "hollow: the same in PyTorch"]
