"""The chapters: where tutorials/ lies, and what each is called."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from minisd.course.exercise import CourseError

_FILE = re.compile(r"(\d\d)_\w+\.py")


@dataclass(frozen=True)
class Chapter:
    """One file of ``tutorials/``."""

    number: int
    file: Path

    @property
    def title(self) -> str:
        """What its first heading says after the number."""
        heading = re.search(r"^# # \d+\. (.+)$", self.text, re.MULTILINE)
        return heading[1] if heading else self.file.stem

    @property
    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")


def folder() -> Path:
    """``tutorials/`` in a clone, or where the wheel has put it.

    Raises:
        CourseError: it is in neither place.
    """
    in_clone = Path(__file__).parents[2] / "tutorials"
    if in_clone.is_dir():
        return in_clone
    for file in importlib.metadata.files("minisd") or ():
        if file.parent.name == "tutorials" and _FILE.fullmatch(file.name):
            return Path(str(file.locate())).resolve().parent
    raise CourseError("the tutorials are not there: neither beside the package nor among the files of its wheel")


@cache
def chapters() -> dict[int, Chapter]:
    """Every chapter by its number, in order.

    Raises:
        CourseError: as folder().
    """
    found = ((_FILE.fullmatch(path.name), path) for path in sorted(folder().glob("*.py")))
    return {int(match[1]): Chapter(int(match[1]), path) for match, path in found if match}
