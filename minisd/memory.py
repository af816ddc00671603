"""The process's memory: freed blocks kept for the next step, page faults counted, the most that was held.

Every training step makes the same activations and gradients and frees them in backward(). The C library hands large
freed blocks back to the system, and the next step pays for them anew: a page fault for every 4 KiB, zeroed by the
kernel, which costs more than most element-wise operations. Told to keep them, its heap is the pool that a step needs.
"""

from __future__ import annotations

import ctypes
import sys

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
