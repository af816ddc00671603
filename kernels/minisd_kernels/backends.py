"""Which backend runs an operation.

``numpy`` is the reference and always there. ``numba`` is the default on the CPU. ``cupy`` runs whatever is a CuPy
array. A backend that is asked for and missing raises BackendUnavailable: there is no silent fallback.

>>> with use_backend("numpy"):
...     current_backend()
'numpy'
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

FILES = {"numpy": "numpy_ref", "numba": "numba_cpu", "cupy": "cupy_gpu"}
_INSTALL = {"numba": "pip install numba", "cupy": "pip install cupy-cuda13x"}
_chosen: str | None = None
_winograd = True
_THREADS = "NUMBA_NUM_THREADS"


class BackendUnavailable(RuntimeError):
    """The backend asked for cannot run here; the message says why and how to get it."""


@cache
def missing_reason(backend: str) -> str | None:
    """Why `backend` cannot run on this machine, with the line that installs it; None when it can."""
    if backend not in FILES:
        return f"unknown backend {backend!r}; choose one of {', '.join(FILES)}"
    if backend == "numpy":
        return None
    if importlib.util.find_spec(backend) is None:
        return f"{backend} is not installed: {_INSTALL[backend]}"
    if backend == "cupy":
        import cupy  # type: ignore[import-not-found, unused-ignore]

        if not cupy.cuda.is_available():
            return "CuPy is installed but finds no CUDA device: an NVIDIA GPU and its driver are needed"
    return None


def available_backends() -> list[str]:
    """The backends that run on this machine, the reference first."""
    return [name for name in FILES if missing_reason(name) is None]


def _require(backend: str) -> str:
    reason = missing_reason(backend)
    if reason is not None:
        raise BackendUnavailable(f"backend {backend!r}: {reason}")
    return backend


def current_backend() -> str:
    """The backend for NumPy arrays: use_backend(), else the variable MINISD_BACKEND, else numba."""
    return _chosen or _require(os.environ.get("MINISD_BACKEND") or "numba")


@contextmanager
def use_backend(backend: str) -> Iterator[None]:
    """Run the block's CPU operations on `backend`.

    Raises:
        BackendUnavailable: it cannot run here.
    """
    global _chosen
    before, _chosen = _chosen, _require(backend)
    try:
        yield
    finally:
        _chosen = before


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Run the block's kernels on `count` threads; the results are the same on any number.

    Numba starts its threads once, at the first kernel: later the number can only be lowered.

    Raises:
        ValueError: `count` is not positive, or Numba has started with fewer.
    """
    if count < 1:
        raise ValueError(f"threads: wanted 1 or more, got {count}")
    if "numba" not in sys.modules:
        before = os.environ.get(_THREADS)
        os.environ[_THREADS] = str(count)
        try:
            yield
        finally:
            if "numba" not in sys.modules:
                os.environ.pop(_THREADS) if before is None else os.environ.update({_THREADS: before})
        return
    import numba

    running: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined, unused-ignore]
    if count > running:
        raise ValueError(f"threads: Numba runs {running} already, and can take fewer but not {count}; set {_THREADS}")
    set_before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(set_before)


def winograd_allowed() -> bool:
    """Whether a 3 x 3 convolution may round as Winograd's method does: not in without_winograd(), nor with the
    variable MINISD_WINOGRAD=0."""
    return _winograd and os.environ.get("MINISD_WINOGRAD") != "0"


@contextmanager
def without_winograd() -> Iterator[None]:
    """Run the block's convolutions as plain sums: an output's bits do not depend on where it lies in the picture.

    >>> with without_winograd():
    ...     winograd_allowed()
    False
    """
    global _winograd
    before, _winograd = _winograd, False
    try:
        yield
    finally:
        _winograd = before


def kernel(operation: str, array: Any) -> ModuleType:
    """The module that computes `operation` (an operation's package name) for `array`."""
    on_gpu = type(array).__module__.partition(".")[0] == "cupy"
    backend = "cupy" if on_gpu else current_backend()
    return _load(operation, backend)


@cache
def _load(operation: str, backend: str) -> ModuleType:
    _require(backend)
    name = f"{operation}.{FILES[backend]}"
    if importlib.util.find_spec(name) is None:
        short = operation.rpartition(".")[2]
        raise BackendUnavailable(f"{short} has no {backend} kernel yet; move its arrays to the CPU")
    return importlib.import_module(name)
