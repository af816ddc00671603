"""What the kernel itself refuses an answer's process, with no hook in its way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

INSIDE = """
import os, socket, sys
from minisd.course.grading import landlock
home, other, parent = sys.argv[1:]
if not landlock.close([os.path.dirname(os.__file__)], [os.path.dirname(os.__file__)], [home]):
    print("none"); sys.exit()

def tried(thing):
    try:
        thing(); return "done"
    except OSError as error:
        return type(error).__name__

print(tried(lambda: open(home + "/own", "w").close()))
print(tried(lambda: open(home + "/own").close()))
print(tried(lambda: open(other).close()))
print(tried(lambda: open(other, "w").close()))
print(tried(lambda: os.remove(other)))
print(tried(lambda: os.rename(home + "/own", other)))
print(tried(lambda: os.listdir(os.path.dirname(other))))
print(tried(lambda: os.kill(int(parent), 0)))
print(tried(lambda: os.execv("/bin/true", ["true"])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_what_was_not_given_is_closed(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.write_text("kept")
    keeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        line = [sys.executable, "-c", INSIDE, str(home), str(other), str(keeper.pid)]
        said = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    finally:
        keeper.communicate(b"\n")
    if said == ["none"]:
        pytest.skip("this kernel has no Landlock")
    assert said[:7] == ["done", "done", *["PermissionError"] * 5]
    assert said[7] in ("PermissionError", "done"), "signals to others are refused from Linux 6.12 on"
    assert said[8:] == ["PermissionError"]
    assert other.read_text() == "kept"
