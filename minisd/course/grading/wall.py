"""What an answer's process may not do: start others, reach the network, touch files that are not its own, import what
it should write.

Python's audit hook stands in every platform's way alike, cannot be taken away again, and knows what was tried, so that
the learner reads a sentence. Time, memory and the size of files are the system's to limit: Linux limits all, macOS all
but memory, Windows none, where only the time runs out (sandbox.py holds that clock).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from minisd.course.exercise import FOLDER as EXERCISES
from minisd.course.grading.rules import is_free

_ROOT = Path(__file__).parents[3]
PLACES = (_ROOT, _ROOT / "kernels")  # where the library's two packages lie: side by side once they are installed
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MAX_WRITTEN = 32  # files opened to write in: together with the limit of one file's size, the disk's share
_DEEDS = {
    "os.fork": "start a process",
    "os.forkpty": "start a process",
    "os.exec": "become another program",
    "os.posix_spawn": "start a process",
    "os.spawn": "start a process",
    "os.system": "start a process",
    "os.startfile": "start a program",
    "subprocess.Popen": "start a process",
    "pty.spawn": "start a process",
    "os.kill": "end a process",
    "os.killpg": "end processes",
    "signal.pthread_kill": "send a signal",
    "os.symlink": "make a link",
    "os.link": "make a link",
    "sqlite3.connect": "open a database",
}
_FAMILIES = {
    "socket": "reach the network",
    "ctypes": "reach past Python into memory",
    "resource": "change its limits",
    "gc": "look through Python's memory",
}
_PATHS = {  # events whose first arguments are paths that change
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
}
_UNHEARD = {  # these raise no event
    "fork_exec": "start a process",
    "pidfd_open": "send a signal",
    "mkfifo": "make a pipe",
    "mknod": "make a device",
}
_HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random", "/etc/localtime")


class Denied(PermissionError):
    """What the grader's wall stopped."""


def limit(seconds: float, memory: int, file: int) -> None:
    """Have the system hold this process to seconds of computing, bytes of memory and bytes a file."""
    try:
        import resource
    except ImportError:  # Windows
        return
    whole = int(seconds) + 1
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, whole, whole + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, file, file),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit of memory
            resource.setrlimit(kind, (soft, hard))


def build(scratch: Path, tell: Callable[[str], None], on_library: bool) -> None:
    """Close this process, for good.

    Args:
        scratch: the one folder that stays open to write in, but for the answers in it.
        tell: called with each thing that was tried and denied, for instance "start a process".
        on_library: the exercise gives parts of the library, which may go on importing its own.
    """
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # no process, no thread more
    except (ImportError, ValueError, OSError):
        pass

    def refuse(deed: str) -> Callable[..., Any]:
        def refused(*arguments: Any, **options: Any) -> None:
            tell(deed)
            raise Denied(f"the grader lets no answer {deed}")

        return refused

    for module in (os, *_below_os()):
        for name in _UNHEARD.keys() & vars(module).keys():
            setattr(module, name, refuse(_UNHEARD[name]))
    sys.meta_path.insert(0, _Finder(tell, on_library))
    sys.addaudithook(_hook(os.path.realpath(scratch), tell, on_library))


def _below_os() -> tuple[ModuleType, ...]:
    try:
        import _posixsubprocess
        import posix
    except ImportError:  # Windows
        return ()
    return _posixsubprocess, posix


def _hook(scratch: str, tell: Callable[[str], None], on_library: bool) -> Callable[[str, tuple[Any, ...]], None]:
    written = 0
    exercises = os.path.join(scratch, "exercises")
    arrays = os.path.dirname(os.path.realpath(np.__file__))
    readable = (arrays, f"{arrays}.libs", scratch)

    def deny(deed: str) -> None:
        tell(deed)
        raise Denied(f"the grader lets no answer {deed}")

    def change(path: Any) -> None:
        if isinstance(path, int):
            return
        real = _real(path)
        if real == scratch or not _within(real, (scratch,)) or _within(real, (exercises,)):
            deny(f"change {_named(path)}")

    def read(path: Any) -> None:
        real = _real(path)
        if _is_python(real) or _within(real, readable) or real in _HARMLESS:
            return
        if on_library and _within(real, _LIBRARY) and _is_library(_asking()):
            return
        raise Denied(f"the grader lets no answer read {_named(path)}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal written
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int):
                return
            if flags and flags & _WRITING:
                if os.fsdecode(path) != os.devnull:
                    change(path)
                    written += 1
                if written > _MAX_WRITTEN:
                    deny(f"write more than {_MAX_WRITTEN} files")
            else:
                read(path)
        elif event in ("os.listdir", "os.scandir"):
            if not isinstance(arguments[0], int):
                read(arguments[0] or ".")
        elif event in _PATHS:
            for path in arguments[: _PATHS[event]]:
                change(path)
        elif event in _DEEDS:
            deny(_DEEDS[event])
        elif (deed := _FAMILIES.get(event.partition(".")[0])) is not None:
            deny(deed)

    return hook


def _real(path: Any) -> str:
    return os.path.realpath(os.fsdecode(path))


def _named(path: Any) -> str:
    return os.fsdecode(path)


def _within(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


_PYTHON = (os.path.dirname(os.path.realpath(os.__file__)), os.path.join(os.path.realpath(sys.base_prefix), "DLLs"))
_LIBRARY = tuple(os.path.realpath(place / name) for place in PLACES for name in ("minisd", "minisd_kernels"))


def _is_library(file: str) -> bool:
    return _within(file, _LIBRARY) and not _within(file, (str(EXERCISES),))


def _is_python(file: str) -> bool:
    """Whether the file is Python's own."""
    return _within(file, _PYTHON) and not {"site-packages", "dist-packages"} & set(file.split(os.sep))


def _asking() -> str:
    """Whose import this is: the file of the nearest code that is not the import itself."""
    frame: FrameType | None = sys._getframe(1)
    here = os.path.realpath(__file__)
    while frame is not None:
        file = frame.f_code.co_filename
        machinery = file.startswith("<frozen importlib") or file.endswith(os.path.join("importlib", "__init__.py"))
        if not machinery and os.path.realpath(file) != here:
            return os.path.realpath(file)
        frame = frame.f_back
    return ""


class _Finder(MetaPathFinder):
    """The first to be asked for a module that is not loaded yet."""

    def __init__(self, tell: Callable[[str], None], on_library: bool) -> None:
        self._tell, self._on_library = tell, on_library

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        asking = _asking()
        if is_free(fullname) or (self._on_library and _is_library(asking)):
            return None
        asks_for_what_may_miss = _is_python(asking) and not fullname.startswith("minisd")
        if not asks_for_what_may_miss:
            self._tell(f"import {fullname}")
        raise ImportError(f"the grader lets no answer import {fullname}")
