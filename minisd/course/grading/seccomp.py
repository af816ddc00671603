"""No new processes, by Linux itself: a filter of system calls (man 2 seccomp).

The limit of processes (RLIMIT_NPROC) does not hold root, and who grades in a container is root. So the kernel is given
a program that it runs before each system call, 64 bits an instruction. It lets threads begin, and nothing else.
"""

from __future__ import annotations

import errno
import os
import struct
import sys

_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # instructions
_NUMBER, _MACHINE, _FIRST = 0, 4, 16  # where they find the call's number, the machine, the first argument
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_OTHER_NUMBERS = 0x40000000  # x86-64's calls with short pointers begin here
_CLONE_THREAD = 0x10000
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2
# The machine's mark; clone; and the calls that make or become a process: fork, vfork, execve, execveat.
_MACHINES = {
    "x86_64": (0xC000003E, 56, (57, 58, 59, 322)),
    "aarch64": (0xC00000B7, 220, (221, 281)),
}
_CLONE3 = 435  # its flags lie in memory, where a filter cannot look: the C library falls back to clone


def close() -> bool:
    """Let this process begin no other, for good. Returns whether this machine's calls are known here."""
    if sys.platform != "linux" or os.uname().machine not in _MACHINES or sys.maxsize < 2**32:
        return False
    import ctypes

    program = _program(*_MACHINES[os.uname().machine])
    kept = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return libc.prctl(_SET_SECCOMP, _FILTER, head, 0, 0) == 0


def _program(machine: int, clone: int, denied: tuple[int, ...]) -> bytes:
    """The filter. A jump counts the instructions that it passes over: if so, and if not."""
    deny, allow = (_RETURN, 0, 0, _ERROR | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    lines = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, machine),
        deny,
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _OTHER_NUMBERS),
        deny,
    ]
    for call in denied:
        lines += [(_EQUAL, 0, 1, call), deny]
    lines += [
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        (_EQUAL, 1, 0, clone),
        allow,
        (_LOAD, 0, 0, _FIRST),
        (_HAS, 1, 0, _CLONE_THREAD),
        deny,
        allow,
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
