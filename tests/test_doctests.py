"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import minisd_kernels
import pytest
from minisd_kernels.backends import missing_reason
from minisd_kernels.devices import DEVICES, missing_device_reason

import minisd

NEEDS = {"numba_cpu": "numba", "devices": "emu"}


def modules(package: ModuleType) -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    return [package.__name__, *(name for name in names if not name.endswith("__main__"))]


@pytest.mark.parametrize("name", modules(minisd_kernels) + modules(minisd))
def test_examples(name: str) -> None:
    need = NEEDS.get(name.rpartition(".")[2], "numpy")
    reason = missing_device_reason(need) if need in DEVICES else missing_reason(need)
    if reason:
        pytest.skip(reason)
    if name.endswith((".in_torch", ".torch_twins")):
        pytest.importorskip("torch")
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_examples_are_found() -> None:
    finder = doctest.DocTestFinder()
    examples = [test for test in finder.find(importlib.import_module("minisd_kernels.shapes.window")) if test.examples]
    assert len(examples) >= 4
