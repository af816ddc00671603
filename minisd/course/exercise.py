'''An exercise is one file in ``exercises/``, and everything about it stands there.

``ex03_2_im2col.py`` is exercise 03.2. It reads from the top as the learner meets it::

    """The convolution as a product of matrices: im2col

    What to write, in Markdown; mathematics between dollars.
    """

    import numpy as np
    from minisd_kernels.conv2d.numpy_ref import columns      # the solution's

    POINTS, MINUTES = 3, 25
    HINTS = ("a nudge", "the idea", "nearly the code")
    GIVEN = ("np",)                                           # imports and definitions that the learner keeps

    def im2col(x, window, stride=1):                          # THE HOLE: the one public function, or class
        """What it returns, as the learner reads it."""
        return columns(x, window, stride)                     # the solution, the library's own where there is one

    def cases(rng, dtype):                                    # what it is tried on: tuples of arguments
        for size in (5, 8): yield rng.standard_normal((2, size, 7, 3)).astype(dtype), (3, 2), 1

    def probe(im2col, x, window, stride):                     # optional: how to try a case; by default im2col(*case)
        return im2col(x, window, stride)                      # the result: arrays, numbers, texts; lists, dicts of them

    def mistake_columns_first(x, window, stride=1):           # a classic mistake; its docstring tells the learner
        """The window's rows come first, then its columns, then the channels: you have the channels first."""

    def right_loops(x, window, stride=1): ...                 # another right answer

A question is such a file, too: its hole is named ``answer``, its cases are ``numbers(rng)``, one tuple drawn for each
learner; in the statement ``<size>`` stands for the argument of that name.
'''

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent / "exercises"
_FILE = re.compile(r"ex(\d\d)_(\d+)_(\w+)\.py")
_ROLES = ("cases", "probe", "numbers")


class CourseError(ValueError):
    """Something asked of the course that it does not have: the message says what there is."""


@dataclass(frozen=True)
class Exercise:
    """One exercise, read from its file."""

    number: str  # "03.2"
    file: Path
    module: ModuleType

    @property
    def chapter(self) -> int:
        return int(self.number[:2])

    @property
    def title(self) -> str:
        return inspect.cleandoc(self.module.__doc__ or "").partition("\n")[0]

    @property
    def statement(self) -> str:
        return inspect.cleandoc(self.module.__doc__ or "").partition("\n")[2].strip()

    @property
    def points(self) -> int:
        return int(self.module.POINTS)

    @property
    def minutes(self) -> int:
        return int(self.module.MINUTES)

    @property
    def hints(self) -> tuple[str, ...]:
        return tuple(self.module.HINTS)

    @property
    def given(self) -> tuple[str, ...]:
        return tuple(getattr(self.module, "GIVEN", ("np",)))

    @property
    def is_question(self) -> bool:
        return hasattr(self.module, "numbers")

    @cached_property
    def name(self) -> str:
        """The hole's: the one public function or class that is written here and plays no other role."""
        own = [name for name, thing in vars(self.module).items() if _is_hole(self.module, name, thing)]
        holes = [name for name in own if name not in self.given]
        if len(holes) != 1:
            raise CourseError(f"{self.file.name}: one public function or class is the hole; it has {holes or 'none'}")
        return holes[0]

    @property
    def reference(self) -> Callable[..., Any]:
        solution: Callable[..., Any] = getattr(self.module, self.name)
        return solution

    def variants(self, kind: str) -> dict[str, Callable[..., Any]]:
        """The mistakes (kind "mistake"), or the other right answers ("right"), by name."""
        start = f"{kind}_"
        return {name.removeprefix(start): thing for name, thing in vars(self.module).items() if name.startswith(start)}

    def cases(self, rng: Any, dtype: Any) -> Iterator[tuple[Any, ...]]:
        """The arguments that an answer is tried on."""
        if self.is_question:
            yield tuple(self.module.numbers(rng))
        else:
            yield from self.module.cases(rng, dtype)

    def probe(self, answer: Callable[..., Any], *case: Any) -> Any:
        """What `answer` makes of a case, as plain data."""
        return self.module.probe(answer, *case) if hasattr(self.module, "probe") else answer(*case)


def _is_hole(module: ModuleType, name: str, thing: Any) -> bool:
    written_here = getattr(thing, "__module__", None) == module.__name__ and callable(thing)
    return written_here and name not in _ROLES and not name.startswith(("_", "mistake_", "right_"))


@cache
def numbers() -> tuple[str, ...]:
    """Every exercise's, in the course's order."""
    found = (_FILE.fullmatch(path.name) for path in FOLDER.glob("ex*.py"))
    return tuple(f"{match[1]}.{match[2]}" for match in sorted(filter(None, found), key=lambda m: (m[1], int(m[2]))))


@cache
def load(number: str) -> Exercise:
    """The exercise of that number.

    Raises:
        CourseError: there is none; the message names its neighbours.
    """
    chapter, _, place = number.strip().partition(".")
    number = f"{int(chapter):02d}.{place}".rstrip(".") if chapter.isdecimal() else number
    found = list(FOLDER.glob(f"ex{number.replace('.', '_')}_*.py")) if number in numbers() else []
    if not found:
        near = [other for other in numbers() if other[:2] == number[:2]] or sorted({n[:2] + ".1" for n in numbers()})
        raise CourseError(f"no exercise {number!r}; there are {', '.join(near)}")
    module = importlib.import_module(f"minisd.course.exercises.{found[0].stem}")
    return Exercise(number, found[0], module)
