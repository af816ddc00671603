"""What an answer's process may not do: start others, reach the network, touch files that are not its own, import what
it should write.

Python's audit hook stands in every platform's way alike, cannot be taken away again, and knows what was tried, so that
the learner reads a sentence. It is Python inside of Python: it holds what a learner tries in an evening. On Linux the
kernel stands behind it (landlock.py, seccomp.py), and does not care what Python is talked into. Time, memory and the
size of files are the system's to limit: Linux limits all, macOS all but memory, Windows none, where only the time runs
out (sandbox.py holds that clock).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from minisd.course.exercise import FOLDER as EXERCISES
from minisd.course.grading import landlock, seccomp
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
    "os.chdir": "leave its folder",
    "cpython.PyInterpreterState_New": "start a second Python",
}
_FAMILIES = {
    "socket": "reach the network",
    "ctypes": "reach past Python into memory",
    "resource": "change its limits",
    "gc": "look through Python's memory",
    "syslog": "write into the system's log",
}
_PATHS = {  # events whose first arguments are paths that change
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.setxattr": 1,
    "os.removexattr": 1,
}
_UNHEARD = {  # these raise no event
    "fork_exec": "start a process",
    "pidfd_open": "send a signal",
    "mkfifo": "make a pipe",
    "mknod": "make a device",
    "setpriority": "change who computes first",
    "sched_setaffinity": "change who computes where",
    "sched_setscheduler": "change who computes first",
}
# Modules that reach past the hook: they write files, or keep memory beyond the process, without an event.
_CLOSED = {"_posixshmem", "_testcapi", "_testinternalcapi", "_xxsubinterpreters", "_interpreters", "readline"}
_CLOSED |= {"_dbm", "_gdbm", "_tkinter", "_curses", "nis", "ossaudiodev"}
_APART = ("site-packages", "dist-packages", "course")  # beside Python's own, and with the solutions
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
    home = os.path.realpath(scratch)
    landlock.close(_PYTHON, _read(on_library), (home, os.devnull))
    seccomp.close()
    sys.meta_path.insert(0, _Finder(tell, on_library))
    sys.addaudithook(_hook(home, tell, on_library))


def _read(on_library: bool) -> Iterable[str]:
    """What the kernel lets an answer read: Python without what was installed beside it, NumPy, the system's parts."""
    for folder in (*_PYTHON, *(_LIBRARY if on_library else ())):
        with contextlib.suppress(OSError):  # it is not there
            yield from (e.path for e in os.scandir(folder) if e.name not in _APART)
    yield from (*_NUMPY, *_HARMLESS, "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


def _below_os() -> tuple[ModuleType, ...]:
    try:
        import _posixsubprocess
        import posix
    except ImportError:  # Windows
        return ()
    return _posixsubprocess, posix


def _hook(home: str, tell: Callable[[str], None], on_library: bool) -> Callable[[str, tuple[Any, ...]], None]:
    """The hook. All that it needs it holds itself: an answer may replace any function of any module, so it calls none
    that could be replaced, and asks for nothing by a name outside of it."""
    any_, type_, text, number, of_bytes, error, system_error = any, type, str, int, bytes, Denied, OSError
    real, asking, look = _real_without_os(), _asking, os.stat
    writing, most, closed = _WRITING, _MAX_WRITTEN, frozenset(_CLOSED)
    deeds, families, paths = dict(_DEEDS), dict(_FAMILIES), dict(_PATHS)
    python, arrays, library, harmless, null = _PYTHON, _NUMPY, _LIBRARY, _HARMLESS, os.devnull
    exercises, checks = os.path.join(home, "exercises"), str(EXERCISES)
    separator, installed = os.sep, ("site-packages", "dist-packages")
    written = 0

    def deny(deed: str) -> None:
        tell(deed)
        raise error(f"the grader lets no answer {deed}")

    def within(path: str, folders: Sequence[str]) -> bool:
        return any_([path == folder or path.startswith(folder + separator) for folder in folders])

    def found(path: Any) -> str:
        if type_(path) is of_bytes:
            path = path.decode("utf-8", "surrogateescape")
        if type_(path) is not text:
            deny("open what has no plain name")
        return real(path)

    def change(path: Any) -> None:
        if type_(path) is number:
            return
        at = found(path)
        if at == home or not within(at, (home,)) or within(at, (exercises,)):
            deny(f"change {path}")

    def is_folder(path: str) -> bool:
        try:
            return look(path).st_mode & 0o170000 == 0o040000
        except system_error:
            return False

    def read(path: Any, may_be_folder: bool) -> None:
        at = found(path)
        if not may_be_folder and is_folder(at):
            deny("open a folder")  # from which a relative name would lead elsewhere
        in_python = within(at, python) and not any_([part in installed for part in at.split(separator)])
        if in_python or within(at, arrays) or within(at, (home,)) or at in harmless:
            return
        if on_library and within(at, library) and not within(at, (checks,)) and within(asking(), library):
            return
        raise error(f"the grader lets no answer read {path}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal written
        if event == "open":
            path, _, flags = arguments
            if type_(path) is number:
                return
            if flags and flags & writing:
                if path == null:
                    return
                change(path)
                written += 1
                if written > most:
                    deny(f"write more than {most} files")
            else:
                read(path, False)
        elif event == "os.listdir" or event == "os.scandir":
            if type_(arguments[0]) is not number:
                read("." if arguments[0] is None else arguments[0], True)
        elif event == "import":
            if arguments[0] in closed and not within(asking(), python):
                deny(f"import {arguments[0]}")
        elif event == "object.__setattr__":
            if arguments[1] == "__code__":
                deny("change a function from within")
        elif event in paths:
            for path in arguments[: paths[event]]:
                change(path)
        elif event in deeds:
            deny(deeds[event])
        elif event.partition(".")[0] in families:
            deny(families[event.partition(".")[0]])

    return hook


def _real_without_os() -> Callable[[str], str]:
    """os.path.realpath, of functions that nobody can replace."""
    if os.name != "posix":
        return os.path.realpath
    import posix

    where, follow, no_link, no_text = posix.getcwd, posix.readlink, OSError, ValueError

    def real(path: str) -> str:
        parts: list[str] = []
        left = (path if path[:1] == "/" else f"{where()}/{path}").split("/")[::-1]
        links = 0
        while left:
            part = left.pop()
            if part == "" or part == ".":
                continue
            if part == "..":
                parts = parts[:-1]
                continue
            parts = [*parts, part]
            try:
                target = follow("/" + "/".join(parts))
            except (no_link, no_text):
                continue
            links += 1
            if links > 40:
                return path
            parts = [] if target[:1] == "/" else parts[:-1]
            left = left + target.split("/")[::-1]
        return "/" + "/".join(parts)

    return real


_PYTHON = (os.path.dirname(os.path.realpath(os.__file__)), os.path.join(os.path.realpath(sys.base_prefix), "DLLs"))
_NUMPY = tuple(os.path.dirname(os.path.realpath(np.__file__)) + end for end in ("", ".libs"))
_LIBRARY = tuple(os.path.realpath(place / name) for place in PLACES for name in ("minisd", "minisd_kernels"))


def _within(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


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
        if (is_free(fullname) and fullname not in _CLOSED) or (self._on_library and _within(asking, _LIBRARY)):
            return None
        asks_for_what_may_miss = _is_python(asking) and not fullname.startswith("minisd")
        if not asks_for_what_may_miss:
            self._tell(f"import {fullname}")
        raise ImportError(f"the grader lets no answer import {fullname}")
