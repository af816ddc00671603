"""What an answer may import: Python's own, NumPy, and what the exercise gives."""

from __future__ import annotations

import pytest

from minisd.course.exercise import load, numbers
from minisd.course.grading.rules import broken
from minisd.course.holes import hole, trial

PROBE = "\ndef probe(f):\n    from minisd.diffusion import schedule\n"
GIVEN = "import numpy as np\nfrom minisd.autograd import Tensor\nfrom minisd.course import mine\n" + PROBE


@pytest.mark.parametrize(
    "line",
    [
        "import math, itertools as it",
        "import numpy.linalg",
        "from numpy.lib.stride_tricks import sliding_window_view",
        "from minisd.autograd import Tensor as T",
        "from minisd.course import check, mine",
        "from __future__ import annotations",
        "import sys; print(sys.maxsize)",
        "import re; re.compile('x')",
        "class Net:\n    def parts(self): return self.modules",
        "def f(:",
    ],
)
def test_python_numpy_and_what_is_given_may_be_used(line: str) -> None:
    assert broken(line, GIVEN) is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "from minisd_kernels.shapes import window_output_size",
            "imports window_output_size from",
        ),
        ("import minisd.course.exercises.ex02_1_output_size", "imports minisd.course.exercises"),
        ("from minisd.course.exercise import load", "imports load"),
        ("from minisd.autograd import *", "imports *"),
        ("import minisd.autograd", "imports minisd.autograd"),
        ("from minisd.diffusion import schedule", "imports schedule"),
        ("import torch", "imports torch"),
        ("from torch.nn import functional as F", "imports functional from torch.nn"),
        ("def f():\n    import scipy.signal", "line 2: it imports scipy.signal"),
        ("try: import jax\nexcept ImportError: jax = None", "imports jax"),
        ("import numpy, cupy", "imports cupy"),
        ("from . import ex02_1_output_size", "its own folder"),
        ("__import__('torch')", "__import__"),
        ("load = __builtins__['open']", "__builtins__"),
        ("import importlib.util", "importlib"),
        ("from importlib import import_module", "importlib"),
        ("from pkgutil import resolve_name", "pkgutil"),
        ("exec('import torch')", "exec"),
        ("f = eval", "eval"),
        ("import sys\nsys.modules['torch']", "line 2: it uses sys.modules"),
        ("import sys as s\ns.modules", "sys.modules"),
        ("from sys import modules", "imports modules from sys"),
        ("import dataclasses\ndataclasses.sys.modules", "sys.modules"),
        ("Tensor.backward.__globals__", "__globals__"),
        ("getattr(Tensor.backward, '__globals__')", "__globals__"),
        ("object.__subclasses__()", "__subclasses__"),
        ("import ctypes", "ctypes"),
        ("import gc", "gc"),
        ("x = " + "+".join("a" * 50_000), "deeply"),
    ],
)
def test_what_holds_the_solution_may_not_be_imported_by_any_way(line: str, told: str) -> None:
    assert told in (broken(line, GIVEN) or "")


@pytest.mark.parametrize("number", numbers())
def test_what_a_learner_starts_with_keeps_the_rule(number: str) -> None:
    exercise = load(number)
    assert exercise.is_question or broken(hole(exercise), trial(exercise)) is None
