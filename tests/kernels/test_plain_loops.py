"""The plain loops, which the fast kernels are explained by: as Python runs them, they agree with the reference."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from minisd_kernels import backends
from minisd_kernels.backends import use_backend
from minisd_kernels.examples import Make, examples, operations, outcome


def loops(operation: str) -> dict[str, Any]:
    """The plain loops of an operation, uncompiled, by the names of the functions that they explain."""
    found = vars(importlib.import_module(f"minisd_kernels.{operation}.numba_cpu"))
    plain = {name.removeprefix("plain_"): found[name] for name in found if name.startswith("plain_")}
    return {name: getattr(function, "py_func", function) for name, function in plain.items()}


# A transposed convolution is the convolution's sums in other places: its loops stand there.
@pytest.mark.parametrize("operation", sorted(filter(loops, operations())))
def test_every_operation(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def results() -> list[Any]:
        calls = [call for example in examples(operation) for call in example.calls(Make("cpu", np.float64)).values()]
        return [array for call in calls for array in outcome(call)]

    with use_backend("numpy"):
        wanted = results()
    called = set()

    def plain(name: str) -> Any:
        def run(*arguments: Any) -> Any:
            called.add(name)
            return loops(operation)[name](*arguments)

        return run

    module = SimpleNamespace(**{name: plain(name) for name in loops(operation)})
    monkeypatch.setattr(backends, "_load", lambda *which: module)
    for got, want in zip(results(), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    assert called == set(loops(operation))  # the examples call all that there is


def test_kernels_run_without_the_compiler() -> None:
    """NUMBA_DISABLE_JIT=1 turns Numba off, so that a debugger can walk through a loop."""
    code = """
import numpy as np
from minisd_kernels import add, linear, relu
x = np.ones((1, 1))
print(relu.forward(-x), add.forward(x, x), linear.forward(x, x))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}
    )
    assert (run.stdout, run.stderr) == ("[[0.]] [[2.]] [[1.]]\n", "")
