"""What an answer may try, and what becomes of it: a verdict of its own, and nothing else."""

from __future__ import annotations

import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import minisd
from minisd.course.check import Verdict
from minisd.course.exercise import load
from minisd.course.grading import sandbox
from minisd.course.grading.sandbox import Limits

EXERCISE = load("02.1")
LIBRARY = Path(minisd.__file__).parent
SOLVED = "return (size + 2 * padding - window) // stride + 1"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits all, see wall.py")


def answer(body: str, before: str = "") -> str:
    head = "def output_size(size, window, stride=1, padding=0):\n"
    return textwrap.dedent(before).strip() + "\n\n\n" + head + textwrap.indent(textwrap.dedent(body).strip(), "    ")


# name: kind of the verdict, a word of its message, the file
TRIED: dict[str, tuple[str, str, str]] = {
    # time
    "loops for ever": ("timeout", "never end", answer("while True: pass")),
    "sleeps": ("timeout", "", answer("time.sleep(1000)", "import time")),
    "loops while it is imported": ("timeout", "", answer(SOLVED, "while True: pass")),
    "will not be stopped": (
        "timeout",
        "",
        answer(
            "while True:\n    try:\n        time.sleep(9)\n    except BaseException: pass",
            "import signal, time\nfor which in (signal.SIGTERM, signal.SIGINT): signal.signal(which, signal.SIG_IGN)",
        ),
    ),
    "stands still": ("timeout", "", answer("signal.raise_signal(signal.SIGSTOP)", "import signal")),
    "computes in C": ("timeout", "", answer("return 9 ** 9 ** 9")),
    # memory
    "eats memory": ("memory", "GB", answer("kept = []\nwhile True: kept.append(bytearray(1 << 27))")),
    "wants a huge array": ("memory", "GB", answer("return np.ones(10 ** 13)", "import numpy as np")),
    "returns too much": ("wrong", "too large", answer("return list(range(40_000))")),
    # the end of the process
    "exits": ("exit", "ends the program", answer("exit()")),
    "exits with a number": ("exit", "", answer("sys.exit(0)", "import sys")),
    "exits at once": ("exit", "", answer("os._exit(0)", "import os")),
    "exits while it is imported": ("exit", "", answer(SOLVED, "raise SystemExit")),
    "interrupts": ("exit", "KeyboardInterrupt", answer("raise KeyboardInterrupt")),
    "aborts": ("crashed", "went down", answer("os.abort()", "import os")),
    "recurs without end": ("wrong", "RecursionError", answer("return output_size(size, window)")),
    "recurs into the ground": (
        "crashed",
        "",
        answer(
            "x = []\nfor _ in range(2 * 10 ** 5): x = [x]\nreturn deep(x)",
            "import sys\nsys.setrecursionlimit(10 ** 8)\ndef deep(x): return repr(x)",
        ),
    ),
    "reads address 0": ("crashed", "", answer("faulthandler._sigsegv()", "import faulthandler")),
    # other processes
    "forks": ("refused", "start a process", answer("os.fork()", "import os")),
    "forks for ever, and says nothing": (
        "refused",
        "start a process",
        answer("while True:\n    try: os.fork()\n    except OSError: break\n" + SOLVED, "import os"),
    ),
    "starts a program": ("refused", "start a process", answer("subprocess.run(['true'])", "import subprocess")),
    "starts a shell": ("refused", "start a process", answer("os.system('true')", "import os")),
    "becomes a program": ("refused", "become", answer("os.execv('/bin/true', ['true'])", "import os")),
    "starts one below Python": (
        "refused",
        "start a process",
        answer(
            "fork_exec([b'/bin/true'], [b'/bin/true'], True, (), None, None, -1, -1, -1, -1, -1, -1, -1, -1, True, "
            "True, -1, None, None, None, -1, None, True)",
            "from _posixsubprocess import fork_exec",
        ),
    ),
    "asks for workers": (
        "refused",
        "",
        answer("with multiprocessing.Pool(2) as pool: return pool.map(abs, [1])", "import multiprocessing"),
    ),
    "kills the grader": ("refused", "end a process", answer("os.kill(os.getppid(), 9)", "import os")),
    "kills it by another name": (
        "refused",
        "signal",
        answer("signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)", "import os, signal"),
    ),
    "kills all": ("refused", "end", answer("os.killpg(0, 9)", "import os")),
    "lifts its limits": (
        "refused",
        "limits",
        answer("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "import resource"),
    ),
    # the network
    "calls home": ("refused", "network", answer("socket.create_connection(('127.0.0.1', 9))", "import socket")),
    "loads a page": (
        "refused",
        "network",
        answer("urllib.request.urlopen('http://127.0.0.1:9')", "import urllib.request"),
    ),
    # files
    "prints a million lines": ("output", "prints", answer("for i in range(10 ** 6): print(i)")),
    "prints past Python": ("output", "prints", answer("os.write(2, b'x' * (1 << 21))", "import os")),
    "writes gigabytes": (
        "files",
        "larger",
        answer("with open('big', 'wb') as file:\n    while True: file.write(bytes(1 << 22))"),
    ),
    "writes many files": ("refused", "more than", answer("for i in range(10 ** 5): open(str(i), 'w').write('x')")),
    "turns back the clock of others": ("refused", "change", answer("os.utime('/tmp')", "import os")),
    "deletes its folder": ("refused", "folder", answer("shutil.rmtree(os.getcwd())", "import os, shutil")),
    "rewrites its own file": ("refused", "change", answer("open(__file__, 'w')")),
    "deletes others' files": ("refused", "change", answer(f"os.remove({str(LIBRARY / 'py.typed')!r})", "import os")),
    "writes elsewhere": ("refused", "change", answer("open('../left behind', 'w')")),
    "leaves its folder": ("refused", "leave", answer("os.chdir('..')", "import os")),
    "writes elsewhere by a link": ("refused", "link", answer("os.symlink('/tmp', 'way')\n", "import os")),
    "writes elsewhere from a folder": (
        "refused",
        "a folder",
        answer("os.open('x', os.O_CREAT | os.O_WRONLY, dir_fd=os.open('/tmp', os.O_RDONLY))", "import os"),
    ),
    "opens a pipe": ("refused", "pipe", answer("os.mkfifo('pipe')\nopen('pipe')", "import os")),
    "reads others' answers": ("refused", "read", answer("open('/etc/passwd').read()")),
    "lists others": ("refused", "read", answer("os.listdir('..')", "import os")),
    # the checks and the solution
    "reads the checks": ("refused", "read", answer(f"open({str(EXERCISE.file)!r}).read()")),
    "reads the library": ("refused", "read", answer(f"open({str(LIBRARY / 'pipeline.py')!r}).read()")),
    "looks for the checks": ("refused", "read", answer(f"os.scandir({str(EXERCISE.file.parent)!r})", "import os")),
    "imports the solution": (
        "refused",
        "line 1",
        answer(SOLVED, "from minisd_kernels.shapes import window_output_size"),
    ),
    "imports a framework": ("refused", "imports torch", answer(SOLVED, "import torch")),
    "imports by a pickle": (
        "refused",
        "import minisd_kernels",
        answer(
            "return pickle.loads(b'cminisd_kernels.shapes\\nwindow_output_size\\n.')(size, window, stride, padding)",
            "import pickle",
        ),
    ),
    "imports by pydoc": (
        "refused",
        "import minisd_kernels",
        answer("return pydoc.locate('minisd_kernels.shapes.window_output_size')(size, window)", "import pydoc"),
    ),
    "clears the way first": (
        "refused",
        "read",
        answer(
            "vars(sys)['meta_' + 'path'].pop(0)\nimport pickle\n"
            "return pickle.loads(b'cminisd_kernels.shapes\\nwindow_output_size\\n.')(size, window, stride, padding)",
            "import sys",
        ),
    ),
    "reads through globals": (
        "refused",
        "__globals__",
        answer("return mine.__globals__", "from minisd.course import mine"),
    ),
    "asks the course": (
        "wrong",
        "",
        answer("return mine('02.1')(size, window, stride, padding)", "from minisd.course import mine"),
    ),
    "reaches into memory by NumPy": (
        "refused",
        "memory",
        answer("return np.ctypeslib.ctypes.string_at(0)", "import numpy as np"),
    ),
    "patches the checks": (
        "wrong",
        "case 1",
        answer(
            "for module in list(vars(sys)['modu' + 'les'].values()):\n"
            "    for name in ('judge', 'difference', 'verdict'):\n"
            "        if hasattr(module, name): setattr(module, name, lambda *a, **k: None)\n"
            "return 0",
            "import sys",
        ),
    ),
    "patches NumPy": (
        "wrong",
        "case 1",
        answer("return 0", "import numpy as np\nnp.array_equal = np.allclose = np.abs = lambda *a, **k: np.True_"),
    ),
    "forges the outcome": (
        "wrong",
        "case 1",
        answer(
            "line = json.dumps({'ended': 'passed', 'outcomes': json.dumps([])}).encode() + b'\\n'\n"
            "for fd in range(3, 40):\n    try: os.write(fd, line)\n    except OSError: pass\nreturn 0",
            "import json, os",
        ),
    ),
    "forges it and leaves": (
        "wrong",
        "cannot be read",
        answer(
            "line = json.dumps({'outcomes': json.dumps([{'value': {'array': 'AAAA', 'type': '|O', 'shape': [1]}, "
            "'error': None, 'written': True, 'changed': []}])}).encode() + b'\\n'\n"
            "for fd in range(3, 40):\n    try: os.write(fd, line)\n    except OSError: pass\nos._exit(0)",
            "import json, os",
        ),
    ),
    "closes the door": ("exit", "no result", answer("os.closerange(0, 100)\n" + SOLVED, "import os")),
    # results
    "equals everything": (
        "wrong",
        "Liar",
        answer("return Liar()", "class Liar:\n    def __eq__(self, other): return True\n    __hash__ = None"),
    ),
    "poses as an array": (
        "wrong",
        "",
        answer(
            "return Liar()",
            "import numpy as np\nclass Liar:\n    __class__ = np.ndarray\n    dtype = np.dtype('f8')\n"
            "    def __array__(self, *a, **k): return np.array([object()])",
        ),
    ),
    "poses as a number": (
        "wrong",
        "case 1",
        answer(
            "return Liar(3)",
            "class Liar(int):\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
            "    def __sub__(self, other): return 0\n    __rsub__ = __sub__",
        ),
    ),
    "bites its tail": ("wrong", "RecursionError", answer("x = []\nx.append(x)\nreturn x")),
    "returns a giant": ("wrong", "", answer("return 10 ** 5000")),
    "raises a book": ("wrong", "...", answer("raise ValueError('x' * 10 ** 6)")),
    "rings the bell": ("wrong", "", answer("raise ValueError('\\x1b[2J\\x07')")),
    # what is no program
    "is empty": ("missing", "defines no output_size", ""),
    "is another thing": ("wrong", "a function is wanted", "output_size = 7"),
    "has a slip": ("broken", "line 1", "def output_size(size, window, stride=1, padding=0:"),
    "reads while it is imported": ("refused", "read", answer(SOLVED, "open('/etc/passwd')")),
    "fails when imported": ("broken", "ZeroDivisionError", answer(SOLVED, "1 / 0")),
    "is no text": ("broken", "null bytes", "x = '\0'"),
    "is not written": ("unfinished", "", answer("raise NotImplementedError")),
    # the wall
    "moves the wall": (
        "refused",
        "read /etc/passwd",
        answer(
            "os.path.realpath = os.fsdecode = lambda path: os.getcwd()\n"
            "vars(sys)['modu' + 'les']['builtins'].any = bool\n"
            "return open('/etc/passwd').read()",
            "import os, sys",
        ),
    ),
    "digs under the wall": (
        "refused",
        "_xxsubinterpreters",
        answer("s.run_string(s.create(), 'import os; os.fork()')", "import _xxsubinterpreters as s"),
    ),
    "pushes the grader back": (
        "refused",
        "who computes",
        answer("os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)", "import os"),
    ),
    "has a name for each occasion": (
        "refused",
        "plain name",
        answer(
            "return io.FileIO(Path()).read()",
            "import io, itertools\nnames = itertools.cycle(['x', '/etc/passwd'])\n"
            "class Path:\n    def __fspath__(self): return next(names)",
        ),
    ),
    # what only looks hostile
    "leaves threads behind": (
        "passed",
        "",
        answer(
            "try: threading.Thread(target=time.sleep, args=(1000,)).start()\nexcept RuntimeError: pass\n" + SOLVED,
            "import threading, time",
        ),
    ),
    "prints a little": ("passed", "", answer("print(size, window)\n" + SOLVED)),
    "makes a note": ("passed", "", answer("open('note.txt', 'w').write('x')\n" + SOLVED)),
    "takes a name of its own": ("passed", "", answer(SOLVED, "import math as m\nfrom collections import deque as d")),
    "checks itself in a shell": (
        "passed",
        "",
        "from minisd.course import check\n" + answer(SOLVED) + "\n\nif __name__ == '__main__':\n    check('02.1')\n",
    ),
    "checks itself at its end": (
        "passed",
        "",
        "from minisd.course import check\n" + answer(SOLVED) + "\n\ncheck('02.1')\n",
    ),
    "was saved on Windows": ("passed", "", "\ufeff" + answer(SOLVED).replace("\n", "\r\n")),
}


# Told apart from another by little: tried with -m slow.
_SELDOM_LINES = """
sleeps; loops while it is imported; wants a huge array; exits with a number; exits while it is
imported; aborts; reads address 0; interrupts; starts a shell; becomes a program; kills all; loads a
page; prints past Python; opens a pipe; writes elsewhere from a folder; lists others; imports by
pydoc; looks for the checks; imports a framework; is no text; poses as a number; raises a book;
rings the bell; fails when imported; takes a name of its own; makes a note; forks; turns back the
clock of others; pushes the grader back; asks for workers; was saved on Windows; reads the library
"""
SELDOM = {name.strip() for name in " ".join(_SELDOM_LINES.split()).split(";")}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in SELDOM else []) for name in TRIED]


@pytest.fixture(scope="module")
def verdicts(request: pytest.FixtureRequest) -> dict[str, Verdict]:
    """All at once, two at a time: they are processes, and none may disturb another."""

    def tried(name: str) -> Verdict:
        kind, _, text = TRIED[name]
        # Who is to be stopped is stopped soon; nobody else is, however slow the machine.
        limits = Limits(seconds=0.5 if kind == "timeout" else 60, memory=1 << 30, file=4 << 20)
        return sandbox.verdict(EXERCISE, {EXERCISE.file.name: text}, limits=limits)

    items = [item for item in request.session.items if item.path == request.path]
    names = [item.callspec.params["name"] for item in items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(tried, names), strict=True))


def test_the_seldom_tried_are_among_them() -> None:
    assert set(TRIED) >= SELDOM


@linux
@pytest.mark.parametrize("name", NAMES)
def test_every_answer_gets_its_own_verdict(verdicts: dict[str, Verdict], name: str) -> None:
    kind, word, _ = TRIED[name]
    found = verdicts[name]
    assert found.kind == kind, found
    assert word in found.message
    assert len(found.message) < 2000 and all(letter.isprintable() or letter == "\n" for letter in found.message)
    assert sys.executable not in found.message and "minisd-answer-" not in found.message
