"""No process begins where the kernel refuses it, with no hook in its way."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from minisd.course.grading.seccomp import _MACHINES, _program

INSIDE = """
import os, sys, threading
from minisd.course.grading import seccomp
if not seccomp.close():
    print("none"); sys.exit()

def tried(thing):
    try:
        thing(); return "done"
    except OSError as error:
        return type(error).__name__

print(tried(os.fork))
print(tried(lambda: os.posix_spawn("/bin/true", ["true"], {})))
print(tried(lambda: os.execv("/bin/true", ["true"])))
print("done" if os.system("true") == 0 else "failed")
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_no_process_begins_but_threads_do() -> None:
    line = [sys.executable, "-c", INSIDE]
    said = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    if said == ["none"]:
        pytest.skip("this machine's calls are not known, or there is no filter")
    assert said == [*["PermissionError"] * 3, "failed", "thread"]


@pytest.mark.parametrize("machine", _MACHINES)
def test_the_filter_refuses_what_it_should(machine: str) -> None:
    """Run as the kernel runs it."""
    mark, clone, others = _MACHINES[machine]
    lines = [*struct.iter_unpack("HBBI", _program(mark, clone, others))]

    def answer(number: int, first: int = 0, machine: int = mark) -> str:
        call = {0: number, 4: machine, 16: first}
        at = value = 0
        while True:
            code, yes, no, k = lines[at]
            at += 1
            if code == 0x20:
                value = call[k]
            elif code == 0x06:
                return {0x7FFF0000: "allow", 0x00050001: "deny", 0x00050026: "unknown"}[k]
            else:
                true = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
                at += yes if true else no

    assert [answer(number) for number in others] == ["deny"] * len(others)
    assert answer(clone, 17) == "deny" and answer(clone, 0x3D0F00) == "allow"
    assert answer(435) == "unknown"
    assert [answer(number) for number in (1, 9, clone + 5)] == ["allow"] * 3
    assert answer(0x40000000 + 57) == "deny"
    assert answer(1, machine=0x40000003) == "deny"
