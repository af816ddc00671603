"""The process's memory: freed blocks kept for the next step, page faults counted, the most held, what is left.

Every training step makes the same activations and gradients and frees them in backward(). The C library hands large
freed blocks back to the system, and the next step pays for them anew: a page fault for every 4 KiB, zeroed by the
kernel, which costs more than most element-wise operations. Told to keep them, its heap is the pool that a step needs.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

from minisd_kernels.devices import namespace

# Names and numbers of mallopt(3), GNU C library.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for as long as the process runs; False where it cannot be told.

    >>> keep_freed_memory() in (True, False)
    True
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _NEVER))


def peak_memory(device: str = "cpu") -> int | None:
    """The most bytes that the process has held; None where the system does not say (Windows).

    On a GPU these are the bytes in CuPy's pool. It keeps what is freed for the next array, so it is as large as it ever
    was.
    """
    if device == "cuda":
        return int(namespace(device).get_default_memory_pool().total_bytes())
    usage = _usage()
    return None if usage is None else usage[0]


def available_memory() -> int | None:
    """Bytes that a process can still ask for before others are pushed to the disk; None where the system does not say.

    Linux counts them; elsewhere all of the machine's memory is taken for available.
    """
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    with suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def page_faults() -> int | None:
    """Pages that the process has been given so far without reading a disk; None where the system does not say."""
    usage = _usage()
    return None if usage is None else usage[1]


def _usage() -> tuple[int, int] | None:
    try:
        import resource
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), used.ru_minflt
