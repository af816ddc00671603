"""Scratch memory of the CPU kernels, kept from call to call.

Fresh memory comes from the system in pages that are made when they are first touched, and lies in no cache: for a
small layer that would cost more than its sums. A kernel asks for its scratch by a name and finds what it left there
the last time, in the same place. What it holds is anything: a kernel must write before it reads.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

_MOST = 1 << 24  # numbers: larger scratch is given back when the kernel is done


class _Kept(threading.local):
    """Every Python thread has scratch of its own: two may run the same kernel."""

    def __init__(self) -> None:
        self.arrays: dict[str, npt.NDArray[Any]] = {}


_kept = _Kept()


def scratch(name: str, *shape: int) -> npt.NDArray[Any]:
    """A float32 array of this shape, holding anything, until the next call with this name.

    >>> scratch("example", 2, 3).shape
    (2, 3)
    >>> np.shares_memory(scratch("example", 5), scratch("example", 4))
    True
    """
    size = int(np.prod(shape))
    if size > _MOST:
        return np.empty(shape, np.float32)
    array = _kept.arrays.get(name)
    if array is None or array.size < size:
        array = _kept.arrays[name] = np.empty(size, np.float32)
    return array[:size].reshape(shape)
