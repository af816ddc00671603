"""An answer tried in a process of its own, seen from outside: its limits, how it ended, the verdict.

The process works on a copy in a scratch folder that is thrown away, with NumPy on one thread, nothing of this
process's environment, and files for its output, so that nobody waits for a pipe that someone else keeps open. When it
has ended, or its time has run out, its whole group is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from minisd.course.answers import Case, pack_cases, unpack
from minisd.course.check import Verdict, judge, trials
from minisd.course.exercise import Exercise, load
from minisd.course.grading.wall import PLACES
from minisd.course.holes import calls_of_mine, trial

# After Python's own three places, before what is installed: this very library, not another version of it.
_START = "import sys; sys.path[3:3] = sys.argv[1:]; from minisd.course.grading.child import main; main()"
_MESSAGE = 1500  # letters of a verdict's message: a learner's error may be a book
_WINDOWS_FAULT = 0xC0000000  # and above: how a process ended that did not end itself
_one_judge = threading.Lock()  # the solutions choose their backend for the whole process
_ENDS = ("broken", "exit", "memory", "missing", "refused", "wrong")  # what the process may say of itself


@dataclass(frozen=True)
class Limits:
    """What one answer may take for all cases of its exercise."""

    seconds: float = 10.0  # of computing, its process's start included
    patience: float = 3.0  # times as long by the clock: whoever grades may have other things to do
    memory: int = 2 << 30  # bytes; of addresses, the process's own start included
    file: int = 16 << 20  # bytes of each file that it writes
    printed: int = 1 << 20  # bytes


LIMITS = Limits()


def verdict(exercise: Exercise, files: Mapping[str, str], seed: int = 0, limits: Limits = LIMITS) -> Verdict:
    """The verdict on a written answer, tried in a process of its own.

    Args:
        exercise: not a question: a question's answer is data, and check.judge takes it as it is.
        files: the answer's file by its name, ``exercise.file.name``; and those of earlier exercises that it builds on
            with ``mine``, as far as the learner's own are to be used: the library's stand in for the others.
        seed: of the cases.
        limits: what it may take.
    """
    with _one_judge:
        cases = trials(exercise, seed)
    with tempfile.TemporaryDirectory(prefix="minisd-answer-", ignore_cleanup_errors=True) as scratch:
        ended = _run(exercise, files, cases, limits, Path(scratch))
    found = ended.verdict(exercise, cases, limits)
    return Verdict(exercise, found.kind, found.message.replace(f"{scratch}{os.sep}", ""))


def builds_on(exercise: Exercise) -> tuple[str, ...]:
    """The earlier exercises that it takes with ``mine``, and that these take."""
    found: dict[str, None] = {}
    for number in calls_of_mine(exercise):
        found |= dict.fromkeys((*builds_on(load(number)), number))
    return tuple(found)


def _run(exercise: Exercise, files: Mapping[str, str], cases: Sequence[Case], limits: Limits, scratch: Path) -> _Ended:
    exercises = scratch / "exercises"
    exercises.mkdir()
    for name, text in files.items():
        (exercises / name).write_text(text, encoding="utf-8")
    earlier = builds_on(exercise)
    given = {each.file.name: trial(each) for each in (*map(load, earlier), exercise)}
    job = {
        "folder": str(scratch),
        "files": {name: given[name] for name in files},
        "file_name": exercise.file.name,
        "name": exercise.name,
        "given": given[exercise.file.name],
        "earlier": earlier,
        "cases": pack_cases(cases),
        "seconds": limits.seconds,
        "memory": limits.memory,
        "file": limits.file,
    }
    with (
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as told,
        tempfile.TemporaryFile() as printed,
    ):
        asked.write(json.dumps(job).encode())
        asked.seek(0)
        code = _wait(_started(scratch, asked, told, printed), limits.patience * limits.seconds)
        size = printed.seek(0, os.SEEK_END)
        told.seek(0)
        return _Ended.read(told.read(4 * limits.file), code, size)


def _started(scratch: Path, asked: IO[bytes], told: IO[bytes], printed: IO[bytes]) -> subprocess.Popen[bytes]:
    alone: dict[str, Any] = (
        {"start_new_session": True}
        if os.name == "posix"
        else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    )
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    environment |= dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), str(scratch))
    environment |= {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB", "NUMBA")}
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", _START, *map(str, PLACES)],
        stdin=asked,
        stdout=told,
        stderr=printed,
        cwd=scratch,
        env=environment | {"MINISD_BACKEND": "numpy"},
        **alone,
    )


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """How the process ended; None if it had to be stopped."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


@dataclass(frozen=True)
class _Ended:
    """What a process said, and how it ended."""

    code: int | None
    printed: int
    deeds: tuple[str, ...] = ()
    outcomes: str | None = None
    kind: str | None = None
    message: str = ""

    @classmethod
    def read(cls, told: bytes, code: int | None, printed: int) -> _Ended:
        """Its lines; those that are something else, a learner's code wrote, and they are passed over."""
        deeds: list[str] = []
        said: dict[str, str] = {}
        for line in told.splitlines():
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(message, dict):
                deeds += [message["deed"]] if isinstance(message.get("deed"), str) else []
                said |= {name: text for name, text in message.items() if isinstance(text, str)}
        kind = said.get("ended")
        return cls(
            code,
            printed,
            tuple(dict.fromkeys(deeds)),
            said.get("outcomes"),
            kind if kind in _ENDS else None,
            said.get("message", ""),
        )

    def verdict(self, exercise: Exercise, cases: Sequence[Case], limits: Limits) -> Verdict:
        if self.printed > limits.printed:
            much = f"it prints more than {limits.printed >> 20} MB; take the prints out of what is handed in"
            return Verdict(exercise, "output", much)
        if self.deeds:
            return Verdict(exercise, "refused", _clipped(f"it tried to {self.deeds[0]}; no answer needs that"))
        if self.code is None or -self.code == getattr(signal, "SIGXCPU", None):
            late = f"it was stopped: it takes longer than {limits.seconds:g} s; does a loop never end?"
            return Verdict(exercise, "timeout", late)
        memory = f"it wants more than the {limits.memory / 2**30:.2g} GB of memory that there are for it"
        if self.kind == "memory":
            return Verdict(exercise, "memory", memory)
        if self.kind == "exit":
            return Verdict(exercise, "exit", f"it ends the program instead of returning a result ({self.message})")
        if self.kind:
            return Verdict(exercise, self.kind, _clipped(self.message))
        if self.outcomes is None:
            return Verdict(exercise, *self._without_a_word(memory))
        return _judged(exercise, cases, self.outcomes, limits)

    def _without_a_word(self, memory: str) -> tuple[str, str]:
        name = signal.Signals(-self.code).name if self.code is not None and self.code < 0 else None
        if name == "SIGKILL":
            return "memory", f"the system ended it; {memory}, or more time"
        if self.code is not None and self.code >= _WINDOWS_FAULT:
            name = hex(self.code)
        if name:
            return "crashed", f"Python itself went down with it ({name}): does a function call itself without end?"
        return "exit", "it ends the program (os._exit, or a result that nothing can be made of) and returns no result"


def _judged(exercise: Exercise, cases: Sequence[Case], outcomes: str, limits: Limits) -> Verdict:
    try:
        made = unpack(outcomes)
        with _one_judge, np.errstate(all="ignore"):
            found = judge(exercise, cases, made)
    except Exception as error:  # whatever a process may have sent in place of plain data
        return Verdict(exercise, "wrong", _clipped(f"its result cannot be read ({type(error).__name__}: {error})"))
    first = next((outcome.error for outcome in made if outcome.error), "")
    if "OSError: [Errno 27]" in first:
        return Verdict(exercise, "files", f"it writes a file larger than {limits.file >> 20} MB")
    if "`: Denied: " in first or "`: PermissionError: " in first:  # the hook's word, or the kernel's
        return Verdict(exercise, "refused", _clipped(first))
    return Verdict(exercise, found.kind, _clipped(found.message))


def _clipped(text: str) -> str:
    """As much of a text as a report has room for, without what a terminal would obey."""
    shown = "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)
    return shown if len(shown) <= _MESSAGE else f"{shown[:_MESSAGE]}..."
