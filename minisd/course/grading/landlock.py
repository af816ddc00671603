"""Linux's own wall around a process: Landlock (https://docs.kernel.org/userspace-api/landlock.html).

The kernel refuses what wall.py's hook refuses, whatever Python code does to Python: files beyond those named, programs,
TCP, signals to others. Any process may take rights from itself so, and never gets them back. Kernels before 5.13, and
other systems, have none of it; the hook stands alone there.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the system calls, on every machine
_VERSION, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
_EXECUTE, _WRITE, _READ, _READ_FOLDER, _TRUNCATE, _DEVICE = (1 << bit for bit in (0, 1, 2, 3, 14, 15))
_OF_A_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICE
_TCP, _SIGNALS = 3, 2


def close(listed: Iterable[str], read: Iterable[str], written: Iterable[str]) -> bool:
    """Leave this process what it is given here, and nothing else that Landlock knows.

    Args:
        listed: folders whose entries may be listed, and all below.
        read: files and folders that may be read.
        written: files and folders that may be read and changed.

    Returns:
        Whether there is Landlock here.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    handled = (1 << (13 if version < 2 else 14 if version < 3 else 15 if version < 5 else 16)) - 1
    rights = struct.pack("QQQ", handled, _TCP, _SIGNALS)[: 8 if version < 4 else 16 if version < 6 else 24]
    rules = libc.syscall(_CREATE, rights, ctypes.c_size_t(len(rights)), 0)
    if rules < 0:
        return False
    for paths, allowed in (
        (listed, _READ_FOLDER),
        (read, _READ | _READ_FOLDER),
        (written, handled & ~_EXECUTE),
    ):
        for path in paths:
            with contextlib.suppress(OSError):  # what is not there needs no right
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
                of_this = allowed if os.path.isdir(path) else allowed & _OF_A_FILE
                libc.syscall(_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", of_this & handled, place), 0)
                os.close(place)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    done = libc.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return done
