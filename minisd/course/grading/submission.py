"""What a learner handed in: a folder with ``exercises/``, ``answers.toml`` and ``student.txt``, or with notebooks.

Nothing in it is trusted: a file may be a link to somewhere else, a pipe, a gigabyte, or no text. Whatever cannot be
read becomes a verdict on that exercise, and no other's.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minisd.course import own
from minisd.course.exercise import Exercise
from minisd.course.holes import trial

_MAX_FILE = 1 << 20  # bytes of a file of code
_MAX_NOTEBOOK = 8 << 20  # a notebook holds its pictures
_MAX_NAME = 80  # letters
_MAX_NOTEBOOKS = 40


class Unreadable(ValueError):
    """Something handed in that cannot be read: the message is the learner's sentence."""


class Missing(Unreadable):
    """Something that was not handed in."""


@dataclass(frozen=True)
class Submission:
    folder: Path

    @property
    def name(self) -> str:
        """What is written in student.txt, in one line."""
        try:
            return " ".join(_text(self.folder, own.NAME_FILE).split())
        except Unreadable:
            return ""

    @property
    def drawn_for(self) -> str:
        """The name as the learner's own program reads it: what questions' numbers are drawn from."""
        return own.in_one_form(self.name)

    @property
    def student(self) -> str:
        """Who it is: the name; where there is none, the folder's."""
        return self.name[:_MAX_NAME] or self.folder.resolve().name

    def source(self, exercise: Exercise) -> str:
        """The lines of an answer: the exercise's file, or what stands in the notebooks.

        Raises:
            Unreadable: nothing is there, or nothing that can be read.
        """
        unwritten, trouble = None, None
        for read in (self._in_file, self._in_notebooks):
            try:
                text = read(exercise)
            except Unreadable as error:
                trouble = trouble or error
                continue
            if text is not None and own.is_written(text, exercise.name):
                return text
            unwritten = unwritten or text
        if unwritten is None:
            missing = f"exercises/{exercise.file.name} is not there, nor is {exercise.name} in a notebook"
            raise trouble or Missing(missing)
        return unwritten

    def value(self, exercise: Exercise) -> Any:
        """A question's answer, out of answers.toml or out of a notebook's ``check("02.6", 388)``.

        Raises:
            Unreadable: there is none, or none that can be read.
        """
        if _is_there(self.folder / own.ANSWERS_FILE):
            try:
                answers = tomllib.loads(_text(self.folder, own.ANSWERS_FILE))
            except (ValueError, RecursionError) as error:  # no TOML, or a number of 10,000 digits
                raise Unreadable(f'{own.ANSWERS_FILE}: {error}; a line is "{exercise.number}" = 123') from None
            if exercise.number in answers:
                return answers[exercise.number]
        with contextlib.suppress(Unreadable):
            for file in self._notebooks():
                for answer in _checked(_text(self.folder, file, _MAX_NOTEBOOK), exercise.number):
                    return answer
        raise Missing(f'{own.ANSWERS_FILE} has no line "{exercise.number}" = ...')

    def _in_file(self, exercise: Exercise) -> str | None:
        name = f"exercises/{exercise.file.name}"
        return _text(self.folder, name) if _is_there(self.folder / name) else None

    def _in_notebooks(self, exercise: Exercise) -> str | None:
        """The answer in the first notebook that has it written; else an unwritten one, if any."""
        found, trouble = None, None
        for file in self._notebooks():
            try:
                text = _out_of_cells(_text(self.folder, file, _MAX_NOTEBOOK), exercise)
            except Unreadable as error:
                trouble = trouble or error
                continue
            if text is not None and own.is_written(text, exercise.name):
                return text
            found = found or text
        if found is None and trouble is not None:
            raise trouble
        return found

    def _notebooks(self) -> list[str]:
        """The notebooks, in the folder and one folder below."""
        found = [*self.folder.glob("*.ipynb"), *self.folder.glob("[!.]*/*.ipynb")]
        inside = (file for file in sorted(found) if file.is_file() and not file.is_symlink())
        return [file.relative_to(self.folder).as_posix() for file in inside][:_MAX_NOTEBOOKS]


def _is_there(file: Path) -> bool:
    try:
        return os.path.lexists(file)
    except (OSError, ValueError):
        return False


def _text(folder: Path, name: str, largest: int = _MAX_FILE) -> str:
    """A file's text: of a file of its own, in this very folder, of a size that somebody may have written."""
    file = folder / name
    try:
        if file.resolve() != folder.resolve() / name:
            raise Unreadable(f"{name} is a link; hand in the file itself")
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise Unreadable(f"{name} is no file")
        if about.st_size > largest:
            raise Unreadable(f"{name} has {about.st_size / 2**20:.0f} MB; at most {largest >> 20} are read")
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise Missing(f"{name} is not there") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Unreadable(f"{name}, line {line} is not UTF-8 text; save the file as UTF-8") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links that go round
        raise Unreadable(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None


# ---- Notebooks


def _cells(text: str) -> list[tuple[bool, str]]:
    """Whether each cell is code, and its text; lines for IPython alone are left out."""
    try:
        cells = [(cell["cell_type"] == "code", "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable("the notebook is no notebook: it was cut off, or is of a format before 4") from None
    return [(code, re.sub(r"(?m)^\s*[%!?].*$", "", source) if code else source) for code, source in cells]


def _statements(cells: Iterable[tuple[bool, str]]) -> Iterator[ast.stmt]:
    """Those of the code cells that are Python."""
    for code, source in cells:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            yield from ast.parse(source).body if code else ()


def _checked(text: str, number: str) -> Iterator[Any]:
    """What the notebook has checked as the answer to a question, the last first."""
    if f'"{number}' not in text.replace("\\", "").replace("'", '"'):
        return
    for statement in [*_statements(_cells(text))][::-1]:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Name(id="check"), args=[ast.Constant(value=str(of)), answer])):
                with contextlib.suppress(ValueError, TypeError, RecursionError, MemoryError):
                    value = ast.literal_eval(answer)
                    if of == number and value is not ...:
                        yield value


def _out_of_cells(text: str, exercise: Exercise) -> str | None:
    """The hole as the notebook fills it, the exercise's given lines before it, and of the notebook's other definitions
    and imports those that it uses. None: the notebook does not ask for it.

    A chapter may use the hole's name for the library's own. So it is what is defined under the exercise's heading; in a
    notebook without headings, what is defined last, if it is checked.
    """
    if not re.search(rf"\b(def|class) {exercise.name}\b|\b{exercise.name} =", text):
        return None
    cells = _cells(text)
    headings = [i for i, (code, source) in enumerate(cells) if not code and re.match(r"### \d\d\.\d", source)]
    begin = next((i for i in headings if re.match(rf"### {re.escape(exercise.number)}\s", cells[i][1])), None)
    if begin is not None:
        own_cells = cells[begin : next((i for i in headings if i > begin), len(cells))]
    elif any(code and re.search(rf"""check\(\s*['"]{exercise.number}['"]""", source) for code, source in cells):
        own_cells = cells
    else:
        return None

    holes = [s for s in _statements(own_cells) if exercise.name in _defines(s) and not _is_import(s)]
    if not holes:
        return None
    defined: dict[str, ast.stmt] = {}
    for statement in (*_statements(cells), holes[-1]):
        for name in _defines(statement):
            defined.pop(name, None)  # the last one counts, and stands where it stands
            defined[name] = statement
    used: set[str] = set()
    waiting, given = [exercise.name], set(exercise.given)
    while waiting:
        name = waiting.pop()
        used.add(name)
        mentioned = {node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)}
        waiting += [other for other in mentioned if other in defined and other not in used | given]
    kept = list(dict.fromkeys(statement for name, statement in defined.items() if name in used))
    lines = [node for node in ast.parse(trial(exercise)).body if getattr(node, "name", "") != "probe"]
    try:
        return "\n\n".join(map(ast.unparse, (*lines, *kept))) + "\n"
    except RecursionError:
        raise Unreadable(f"{exercise.name} in the notebook nests too deeply to be read") from None


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _defines(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import() | ast.ImportFrom():
            return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
        case ast.Assign():
            return [target.id for target in statement.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []
