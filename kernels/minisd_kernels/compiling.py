"""How every Numba kernel is compiled: one place, so that all of them round, cache and thread alike."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
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
from numba.core import caching

from minisd_kernels import kernel_cache
from minisd_kernels.notes import say


def contiguous(array: Any) -> Any:
    """The array in the one form that kernels are compiled for: C-contiguous, aligned, writeable; else a copy.

    None, a bias left out, stays None.
    """
    return array if array is None or array.flags.carray else array.copy(order="C")


# NaN and infinity must survive (training looks for them), so only the flags that reorder and contract are set.
_OPTIONS: dict[str, Any] = {
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
}

COMPILING = "compiling kernels, once: up to a minute (`minisd kernels compile` does it ahead, on all cores)"
_FunctionCache: Any = caching.FunctionCache


class KernelCache(_FunctionCache):  # type: ignore[misc]
    """The compiled forms of one function, a file each, and an index of them; what is damaged is set aside."""

    def __init__(self, function: Callable[..., Any]) -> None:
        before, config.CACHE_DIR = config.CACHE_DIR, str(kernel_cache.folder())  # type: ignore[attr-defined, unused-ignore]
        try:
            super().__init__(function)  # which asks where
        finally:
            config.CACHE_DIR = before  # type: ignore[attr-defined, unused-ignore]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled form for a signature; None if it is to be compiled."""
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # what unpickling damaged bytes can raise is anything
            self._set_aside()
            found = None
        if found is None:
            say(COMPILING)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it; a disk that is full, or read-only by now, is no reason not to run it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            say(f"a compiled kernel could not be kept ({error.strerror or error})")

    def _set_aside(self) -> None:
        say(f"compiled kernels in {kernel_cache.folder()} were damaged: set aside as *.damaged, and compiled again")
        for path in Path(self.cache_path).glob(f"{self._impl.filename_base}.*nb?"):
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.damaged"))


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
        dispatcher._cache = KernelCache(function)
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
