"""What is the learner's own: name, files, answers; and what stands in for a file that is not written yet."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import os
import sys
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from minisd.course.exercise import CourseError, Exercise, load

NAME_FILE = "student.txt"
ANSWERS_FILE = "answers.toml"
HINTS_FILE = ".hints.json"
FOLDER_VARIABLE = "MINISD_COURSE"
_opened_here: dict[str, int] = {}


def folder() -> Path:
    """The learner's: the variable MINISD_COURSE, or the nearest folder upwards with exercises in it, or this one."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    here = Path.cwd()
    return next((place for place in (here, *here.parents) if (place / "exercises").is_dir()), here)


def path(exercise: Exercise, within: Path | None = None) -> Path:
    """Where the learner's file of that exercise lies, or would."""
    return (within or folder()) / "exercises" / exercise.file.name


def student(within: Path | None = None) -> str:
    """The learner's name, which a question's numbers are drawn from.

    Raises:
        CourseError: the file that it stands in is no text in UTF-8.
    """
    file = (within or folder()) / NAME_FILE
    try:
        return in_one_form(file.read_text(encoding="utf-8-sig")) if file.is_file() else ""
    except UnicodeDecodeError as error:
        raise CourseError(f"{file} is not UTF-8 text; save it again as UTF-8") from error


def in_one_form(name: str) -> str:
    """A name however it is spaced and whatever letters are capitals."""
    return " ".join(name.split()).casefold()


def stream(exercise: Exercise, name: str | None = None) -> np.random.Generator:
    """The random numbers of one learner's question: the same on every machine, another's are others."""
    text = f"{exercise.number} {student() if name is None else name}"
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))


def answer(exercise: Exercise, within: Path | None = None) -> Any:
    """The learner's answer: the function or class in the exercise's file, or the question's value in answers.toml.

    Raises:
        CourseError: it is not there, or cannot be read; the message says where it is looked for.
    """
    if exercise.is_question:
        return _value(exercise, within or folder())
    file = path(exercise, within)
    if not file.is_file():
        raise CourseError(f"{file} is not there; `minisd course start` writes it")
    module = import_file(file)
    if not hasattr(module, exercise.name):
        raise CourseError(f"{file} defines no {exercise.name}")
    return getattr(module, exercise.name)


def _value(exercise: Exercise, place: Path) -> Any:
    file = place / ANSWERS_FILE
    try:
        answers = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file.is_file() else {}
    except (ValueError, RecursionError) as error:  # no TOML, or a number of 10,000 digits
        raise CourseError(f'{file}: {error}; a line is "{exercise.number}" = 123') from error
    if exercise.number not in answers:
        raise CourseError(f'{file} has no answer to {exercise.number}: write a line "{exercise.number}" = ...')
    return answers[exercise.number]


def mine(number: str) -> Any:
    """Your own answer to an earlier exercise, to build on; the library's, while yours is not written.

    >>> mine("02.1")(572, 3)
    570
    """
    exercise = load(number)
    in_notebook = vars(sys.modules["__main__"]).get(exercise.name)
    try:
        if in_notebook is not None and is_written(inspect.getsource(in_notebook), exercise.name):
            return in_notebook
    except (OSError, TypeError):  # no source: typed at a prompt
        pass
    file = path(exercise)
    if file.is_file() and is_written(file.read_text(encoding="utf-8-sig"), exercise.name):
        return answer(exercise)
    return exercise.reference


def is_written(source: str, name: str) -> bool:
    """Whether the hole of that name has been filled: no function in it still raises NotImplementedError in the end."""
    functions = _functions(source, name)
    return functions is None or (bool(functions) and not any(is_unwritten(function) for function in functions))


def is_hole(source: str, name: str) -> bool:
    """Whether there is nothing to try: a function of the hole does nothing but raise NotImplementedError."""
    functions = _functions(source, name) or []
    return any(is_unwritten(f) and len(f.body) - (ast.get_docstring(f) is not None) == 1 for f in functions)


def _functions(source: str, name: str) -> list[ast.FunctionDef] | None:
    """The functions of that name, or of the class; None if the lines cannot be read: something was written, then, and
    importing it will say what is wrong with it."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name]
    return [node for top in named for node in ast.walk(top) if isinstance(node, ast.FunctionDef)]


def is_unwritten(function: ast.FunctionDef) -> bool:
    """Whether a function still ends as the hole does."""
    last = function.body[-1]
    return isinstance(last, ast.Raise) and "NotImplementedError" in ast.unparse(last)


def import_file(file: Path) -> ModuleType:
    """The module in that file.

    Raises:
        CourseError: it cannot be imported; the message says which line.
    """
    spec = importlib.util.spec_from_file_location(f"own_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise CourseError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise CourseError(f"{file}{where}: {error.msg}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() at its end, too, would end this program without a word
        raise CourseError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def numbers_of(number: str) -> tuple[Any, ...]:
    """The numbers that a question asks you about."""
    exercise = load(number)
    return next(exercise.cases(stream(exercise), None))


def question(number: str) -> None:
    """Print a question with the numbers drawn for you, or what an exercise asks."""
    exercise = load(number)
    print(f"{exercise.number} {exercise.title}\n\n{statement(exercise)}")
    if exercise.is_question and not student():
        print(f"\nThese are nobody's numbers: write your name into {folder() / NAME_FILE}, and ask again.")


def statement(exercise: Exercise, name: str | None = None) -> str:
    """What the exercise asks; a question's numbers are the learner's own."""
    text = exercise.statement
    if exercise.is_question:
        (numbers,) = exercise.cases(stream(exercise, name), None)
        for parameter, value in zip(inspect.signature(exercise.reference).parameters, numbers, strict=True):
            text = text.replace(f"<{parameter}>", str(value))
    return text


def hint(number: str, which: int | None = None) -> None:
    """Print one more hint, or hint `which`; there are three, from a nudge to nearly the code."""
    exercise = load(number)
    shown = _hints_shown()
    which = which or min(max(shown.get(exercise.number, 0), 0) + 1, len(exercise.hints))
    shown[exercise.number] = max(which, shown.get(exercise.number, 0))
    if (folder() / "exercises").is_dir():
        (folder() / HINTS_FILE).write_text(json.dumps(shown), encoding="utf-8")
    print(f"hint {which} of {len(exercise.hints)}: {exercise.hints[which - 1]}")


def _hints_shown() -> dict[str, int]:
    """How many hints of each exercise were opened: kept in the learner's folder, else for this process."""
    file = folder() / HINTS_FILE
    if not file.is_file():
        return _opened_here
    try:
        return {str(number): int(count) for number, count in json.loads(file.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError, OverflowError):  # written by somebody else: begin anew
        return {}
