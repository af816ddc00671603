"""The sum in Numba: NumPy's loop, shared by all cores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from minisd_kernels.compiling import contiguous, jit, parallel_jit


@jit
def plain_add(a: Any, b: Any, y: Any) -> None:
    for i in range(a.size):
        y[i] = a[i] + b[i]


@parallel_jit
def _add(a: Any, b: Any, y: Any) -> None:
    for i in prange(a.size):
        y[i] = a[i] + b[i]


_ALONE = 1 << 13  # numbers: fewer are added sooner than other threads wake up


def forward(a: Any, b: Any) -> Any:
    y = np.empty(a.shape, a.dtype)
    _sum(contiguous(a), contiguous(b), y)
    return y


def into(total: Any, part: Any) -> None:
    _sum(total, contiguous(part), total)


def _sum(a: Any, b: Any, y: Any) -> None:
    add = plain_add if a.size < _ALONE else _add
    add(a.reshape(-1), b.reshape(-1), y.reshape(-1))
