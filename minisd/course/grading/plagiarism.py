"""Answers that are suspiciously equal, in pairs: where to look, not whom to judge.

Each function becomes a row of marks: its syntax tree from left to right, with comments, docstrings and annotations left
out, and the names that are the writer's own as blanks. Of such a row every window of eight marks is kept, its blanks
numbered as they appear in it. So neither other names, nor another order of functions, nor comments, nor a line put in
between hide a copy: most windows stay as they were.

What two answers share says something only if others do not have it, too. Windows of the given lines, of the exercise's
own right answers and of many of the submissions do not count; what is left must be enough, so short exercises accuse
nobody. An answer that shares what only the library's solution has is told as a pair with the library.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from minisd.course import own
from minisd.course.exercise import Exercise
from minisd.course.grading.submission import Submission, Unreadable
from minisd.course.holes import hole

LIBRARY = "the library's solution"
WINDOW = 8  # marks
ENOUGH = 60  # windows shared that few others have: some seven lines
ALIKE = 0.6  # of the shorter answer's
_COMMON = 0.25  # of the submissions: what more of them have is how one writes it
_FEW = 4  # submissions that may always share: a class of ten is small

Windows = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Pair:
    """Two submissions that share too much of one exercise."""

    exercise: Exercise
    one: str
    other: str
    share: float  # of the shorter answer's own windows
    windows: int  # shared, and rare

    def __str__(self) -> str:
        return f"{self.exercise.number} {self.one} = {self.other}: {self.share:.0%} the same, {self.windows} places"


def pairs(
    folders: Sequence[Path], exercises: Sequence[Exercise], done: Callable[[int], object] = lambda exercises: None
) -> list[Pair]:
    """The suspicious pairs, those that share most first.

    Args:
        folders: the submissions.
        exercises: those to compare; questions are passed over.
        done: called with 1 for each exercise compared.
    """
    handed_in = {folder.resolve().name: Submission(folder) for folder in folders}
    found: list[Pair] = []
    for exercise in exercises:
        if not exercise.is_question:
            texts = {name: _written(submission, exercise) for name, submission in handed_in.items()}
            found += compare(exercise, {name: text for name, text in texts.items() if text is not None})
        done(1)
    return sorted(found, key=lambda pair: (-pair.windows, pair.exercise.number, pair.one, pair.other))


def compare(exercise: Exercise, texts: dict[str, str]) -> list[Pair]:
    """The suspicious pairs among one exercise's answers: their lines by the submission's name."""
    file = exercise.file.read_text(encoding="utf-8")
    given = set(exercise.given)
    right = with_helpers(file, {name for name in vars(exercise.module) if name.startswith("right_")})
    usual = windows(hole(exercise), unwritten=True) | windows(file, lambda name: name in right | given)
    solution = with_helpers(file, {exercise.name})
    library = frozenset().union(windows(file, lambda name: name in solution), *map(windows, _behind(exercise))) - usual
    marks = {name: windows(text, lambda name: name not in given) - usual for name, text in texts.items()}
    common = _common(marks.values(), len(texts))
    found = []
    names = sorted(marks)
    for place, one in enumerate(names):
        found += _alike(exercise, (one, marks[one]), (LIBRARY, library))
        for other in names[place + 1 :]:
            found += _alike(exercise, (one, marks[one] - common - library), (other, marks[other] - common - library))
    return found


def windows(text: str, takes: Callable[[str], bool] = lambda name: True, *, unwritten: bool = False) -> Windows:
    """The windows of all functions in a file whose names `takes` takes; a class's methods go by the class's name. A
    hole's are left out unless it is asked for."""
    try:
        tree = ast.parse(text)
        imported = {name for node in ast.walk(tree) for name in _imported(node)}
        functions = [function for name, function in _functions(tree) if takes(name)]
        rows = [list(_marks(f, imported)) for f in functions if unwritten or not own.is_unwritten(f)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(_numbered(row[at : at + WINDOW]) for row in rows for at in range(max(1, len(row) - WINDOW + 1)))


def _written(submission: Submission, exercise: Exercise) -> str | None:
    try:
        return submission.source(exercise)
    except Unreadable:
        return None


def _behind(exercise: Exercise) -> Iterator[str]:
    """The library's files that a solution calls."""
    for thing in vars(exercise.module).values():
        module = thing if isinstance(thing, ModuleType) else sys.modules.get(getattr(thing, "__module__", None) or "")
        name = getattr(module, "__name__", "")
        if name.startswith("minisd") and not name.startswith("minisd.course"):
            file = Path(getattr(module, "__file__", ""))
            files = file.parent.glob("*.py") if file.stem == "__init__" else [file]
            yield from (each.read_text(encoding="utf-8") for each in files)


def with_helpers(file: str, names: set[str]) -> set[str]:
    """The functions, and what they use of the file."""
    mentioned = {
        name: {node.id for node in ast.walk(top) if isinstance(node, ast.Name)}
        for top in ast.parse(file).body
        for name in [getattr(top, "name", None)]
        if name is not None
    }
    found: set[str] = set()
    waiting = names & mentioned.keys()
    while waiting:
        found |= waiting
        waiting = {other for name in waiting for other in mentioned[name] & mentioned.keys()} - found
    return found


def _common(marks: Iterable[Windows], count: int) -> Windows:
    often = Counter(window for each in marks for window in each)
    return frozenset(window for window, times in often.items() if times > max(_FEW, _COMMON * count))


def _alike(exercise: Exercise, one: tuple[str, Windows], other: tuple[str, Windows]) -> list[Pair]:
    shared = len(one[1] & other[1])
    if shared < ENOUGH:
        return []
    share = shared / min(len(one[1]), len(other[1]))
    return [Pair(exercise, one[0], other[0], share, shared)] if share >= ALIKE else []


# ---- From text to windows


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods, each by the name that stands at the file's top."""
    for top in tree.body:
        if isinstance(top, ast.FunctionDef):
            yield top.name, top
        elif isinstance(top, ast.ClassDef):
            yield from ((top.name, part) for part in top.body if isinstance(part, ast.FunctionDef))


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return []


def _marks(node: ast.AST, imported: set[str]) -> Iterator[str]:
    """The tree from left to right; "?name" is a name that the writer chose."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return  # a docstring, or a comment in its place
        case ast.Name(id=name):
            yield name if name in imported or hasattr(builtins, name) else f"?{name}"
            return
        case ast.arg(arg=name):
            yield f"?{name}"
            return
        case ast.Constant(value=value):
            yield repr(value)[:40]
            return
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            yield f"?self.{name}"
            return
        case ast.Attribute(attr=name):
            yield f".{name}"
        case ast.keyword(arg=name):
            yield f"{name}="
        case ast.FunctionDef(name=name):
            yield f"?{name}"
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "ctx", "type_comment", "decorator_list"):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _marks(part, imported)


def _numbered(marks: Sequence[str]) -> tuple[str, ...]:
    """A window with its writer's names as numbers, by order of appearance."""
    seen: dict[str, str] = {}
    return tuple(seen.setdefault(mark, f"?{len(seen)}") if mark.startswith("?") else mark for mark in marks)
