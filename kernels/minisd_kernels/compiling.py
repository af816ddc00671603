"""How every Numba kernel is compiled: one place, so that all of them round, cache and thread alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

# Between two kernels the threads wait for the next one spinning, but for some 50 microseconds only, then they sleep.
# Sleeping at once would cost a quarter of a training step in wake-ups; spinning for long, as OpenMP does by default,
# takes the core from whatever else has work. OpenMP reads this when Numba loads it.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
# LLVM's second level compiles sooner than the third (what a first drawing needs: 34 s instead of 43 on a busy
# machine), and no kernel was measured slower.
os.environ.setdefault("NUMBA_OPT", "2")

import numpy as np
import numpy.typing as npt
from numba import config, njit

from minisd_kernels import kernel_cache


def contiguous(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array in the one form that kernels are compiled for, C-contiguous and writeable; a copy only if it is not."""
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else array.copy(order="C")


# NaN and infinity must survive (training looks for them), so only the flags that reorder and contract are set.
_OPTIONS: dict[str, Any] = {
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}


def jit(of: Any, **options: Any) -> Any:
    """Compile a function for whatever types it is called with, or, as ``@jit(signature)``, for these at once."""
    if not isinstance(of, FunctionType):
        return partial(_compiled, signature=of, options=options)
    return _compiled(of, None, options)


def _compiled(function: Callable[..., Any], signature: Any, options: dict[str, Any]) -> Any:
    dispatcher = njit(**_OPTIONS, **options)(function)
    if config.DISABLE_JIT:  # type: ignore[attr-defined, unused-ignore]
        return dispatcher  # the function
    if kernel_cache.folder() is not None:
        dispatcher._cache = kernel_cache.KernelCache(function)
    if signature is not None:
        dispatcher.compile(signature)
        dispatcher.disable_compile()
    return dispatcher


def parallel_jit(function: Callable[..., Any]) -> Any:
    """Compile a function whose prange loops run on all threads."""
    return jit(function, parallel=True)


# Sums over many samples are split into this many parts and the parts added in order, whatever the number of
# threads: the same seed gives the same weights on one core and on eight.
CHUNKS = 8


def bias_or_zeros(bias: npt.NDArray[Any] | None, width: int) -> npt.NDArray[Any]:
    """The row that float32 sums begin with, as kernels take it."""
    return np.zeros(width, np.float32) if bias is None else contiguous(bias)


def flat(array: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """An array with its axes in any order as one axis, and how far apart there the neighbours on each axis lie.

    >>> import numpy as np
    >>> numbers, steps = flat(np.arange(6).reshape(2, 3).T)
    >>> numbers.tolist(), steps
    ([0, 1, 2, 3, 4, 5], (1, 3))
    """
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    numbers = contiguous(array.transpose(order))
    steps = {axis: step // array.itemsize for axis, step in zip(order, numbers.strides, strict=True)}
    return numbers.reshape(-1), tuple(steps[axis] for axis in range(array.ndim))
