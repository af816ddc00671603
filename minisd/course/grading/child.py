"""The process in which an answer is tried: the cases come in, what the answer makes of them goes out.

It never holds what is right. What it is told is a file's name, the lines that its exercise gives with the probe
(holes.trial), and the cases; the process that started it judges (check.judge), out of the answer's reach. So there are
no checks here to be read or patched, and an answer that replaces NumPy's functions fools itself.

One line of JSON a message: {"deed": ...} what the wall stopped, {"ended": kind, "message": ...} why there are no
outcomes, {"outcomes": ...} else.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import minisd.course
from minisd.course import own
from minisd.course.answers import Case, Outcome, pack, try_on, unpack_cases
from minisd.course.exercise import CourseError, load
from minisd.course.grading import rules, wall


class Ended(Exception):
    """There is nothing to judge: the verdict's kind, and its sentence."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(kind, message)
        self.kind, self.message = kind, message


def main() -> None:
    """Take one job from the standard input, answer on the standard output, leave without looking back."""
    job = json.load(sys.stdin)
    channel = os.dup(1)  # what the answer prints goes where errors go
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def tell(**message: Any) -> None:
        line = json.dumps(message).encode() + b"\n"
        while line:
            line = line[os.write(channel, line) :]

    def deed(what: str) -> None:
        with contextlib.suppress(OSError):  # the answer closed what it could
            tell(deed=what)

    try:
        tell(outcomes=_as_text(_outcomes(job, deed), job["file"] - 100_000))
    except Ended as end:
        tell(ended=end.kind, message=end.message)
    except MemoryError:
        tell(ended="memory")
    except BaseException as error:
        last = {SystemExit: "exit", KeyboardInterrupt: "exit"}.get(type(error), "broken")
        with contextlib.suppress(OSError):
            tell(ended=last, message=f"{type(error).__name__}: {error}"[:500])
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _outcomes(job: dict[str, Any], deed: Callable[[str], None]) -> list[Outcome]:
    folder = Path(job["folder"])
    wall.limit(job["seconds"], job["memory"], job["file"])
    for name, given in job["files"].items():
        text = (folder / "exercises" / name).read_text(encoding="utf-8-sig")
        if said := rules.broken(text, given):
            raise Ended("refused", said if name == job["file_name"] else f"{name}, which this builds on, {said}")

    given = ast.parse(job["given"])
    os.environ[own.FOLDER_VARIABLE] = str(folder / "nobody")
    for number in job["earlier"]:
        load(number)  # what stands in for an earlier answer that is not there
    imports: list[ast.stmt] = [node for node in ast.walk(given) if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "<given>", "exec"), {})
    os.environ[own.FOLDER_VARIABLE] = str(folder)
    cases = unpack_cases(job["cases"])
    library = {node.module for node in imports if isinstance(node, ast.ImportFrom)} - {"minisd.course"}
    on_library = bool(job["earlier"]) or any(not rules.is_free(module or "") for module in library)
    wall.build(folder, deed, on_library)

    for name in ("check", "hint", "question", "show", "source"):  # a call left at a file's end does nothing here
        setattr(minisd.course, name, _nothing)
    names: dict[str, Any] = {"__name__": "given"}
    exec(compile(given, "<given>", "exec"), names)
    try:
        module = own.import_file(folder / "exercises" / job["file_name"])
    except CourseError as error:
        kinds = {PermissionError: "refused", SystemExit: "exit"}
        kind = next((kind for of, kind in kinds.items() if isinstance(error.__cause__, of)), "broken")
        raise Ended(kind, str(error).replace(f"{folder / 'exercises'}{os.sep}", "")) from None
    answer = getattr(module, job["name"], None)
    if answer is None:
        raise Ended("missing", f"{job['file_name']} defines no {job['name']}")
    if not callable(answer):
        raise Ended("wrong", f"{job['name']} is a {type(answer).__name__}; a function is wanted")
    return list(_tried(cases, answer, names.get("probe")))


def _nothing(*arguments: Any, **options: Any) -> None:
    """What there is to see, there is to see at home."""


def _tried(cases: list[Case], answer: Callable[..., Any], probe: Callable[..., Any] | None) -> Iterator[Outcome]:
    """The outcomes, to the first for want of memory: the next cases would only take as long again."""
    for outcome in (outcome for case in cases for outcome in try_on([case], answer, probe)):
        yield outcome
        if not outcome.written:
            return
        if outcome.error and re.search(r"(^|`: )_?(Array)?MemoryError: ", outcome.error):
            raise Ended("memory")


def _as_text(outcomes: list[Outcome], most: int) -> str:
    try:
        text = pack(outcomes)
    except (ValueError, TypeError, RecursionError) as error:
        raise Ended("wrong", f"its result cannot be handed over ({type(error).__name__}: {error})") from None
    if len(text) > most:
        raise Ended("wrong", f"its results are too large: {len(text) >> 20} MB as text")
    return text
