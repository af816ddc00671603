"""Which kernel runs an operation.

A NumPy array is computed by a backend of the CPU: ``numba``, or ``numpy``, the reference, which is always there. An
array of a device is computed by the CUDA kernels: on an NVIDIA GPU (``cuda``), or on the CPU by the emulator (``emu``).
What is asked for and missing raises BackendUnavailable: there is no silent fallback.

>>> with use_backend("numpy"):
...     current_backend()
'numpy'
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, TypeVar, cast

from minisd_kernels.switches import threads_asked_for

FILES = {"numpy": "numpy_ref", "numba": "numba_cpu"}
CUDA_FILE = "cupy_gpu"  # launches the .cu beside it, on either device
Backend = TypeVar("Backend")
DEVICE_OF_MODULE = {"cupy": "cuda", "minisd_kernels": "emu"}  # where an array's class comes from; else the CPU
OR_NUMPY = "or take NumPy, which is slower: --backend numpy, or the variable MINISD_BACKEND=numpy"
_LEAST_SPACE = 700  # MB of addresses: with fewer LLVM, or OpenMP, ends the process where it stands
_chosen: str | None = None
_plugged: dict[str, Any] = {}  # operation -> what computes it in place of any backend
_forked_from_threads = False


class BackendUnavailable(RuntimeError):
    """The backend asked for cannot run here; the message says why and how to get it."""


@cache
def missing_reason(backend: str) -> str | None:
    """Why `backend` cannot run on this machine, with the line that installs it; None when it can."""
    if backend not in FILES:
        return f"there is no such backend; choose one of {', '.join(FILES)} (--backend, or the variable MINISD_BACKEND)"
    if backend == "numpy":
        return None
    if importlib.util.find_spec(backend) is None:
        return f"{backend} is not installed: pip install {backend}; {OR_NUMPY}"
    if (space := _address_space()) < _LEAST_SPACE:
        return f"this process may use {space} MB of addresses (ulimit -v), and kernels want {_LEAST_SPACE}; {OR_NUMPY}"
    try:  # Numba itself would pass over nonsense, and crash for want of a million threads
        threads_asked_for()
    except ValueError as error:
        return str(error)
    return None


def _address_space() -> float:
    """How many megabytes of addresses the process may use."""
    if importlib.util.find_spec("resource") is None:  # Windows
        return math.inf
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return math.inf if limit == resource.RLIM_INFINITY else limit // 10**6


def available_backends() -> list[str]:
    """The backends that run on this machine, the reference first."""
    return [name for name in FILES if missing_reason(name) is None]


def require(backend: str) -> str:
    """The backend's name, if it can run here.

    Raises:
        BackendUnavailable: it cannot.
    """
    reason = missing_reason(backend)
    if reason is not None:
        raise BackendUnavailable(f"backend {backend!r}: {reason}")
    return backend


def current_backend() -> str:
    """The backend for NumPy arrays: use_backend(), else the variable MINISD_BACKEND, else numba."""
    return _chosen or require(os.environ.get("MINISD_BACKEND") or "numba")


@contextmanager
def use_backend(backend: str) -> Iterator[None]:
    """Run the block's CPU operations on `backend`.

    Raises:
        BackendUnavailable: it cannot run here.
    """
    global _chosen
    before, _chosen = _chosen, require(backend)
    try:
        yield
    finally:
        _chosen = before


@contextmanager
def plugged(operation: ModuleType, backend: Any) -> Iterator[None]:
    """Inside the block `backend`, an object with what the operation's Protocol says, computes the operation, whatever
    backend is chosen: for a kernel of your own, tried in the whole library.

    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> from minisd_kernels import relu
    >>> with plugged(relu, SimpleNamespace(forward=lambda x: 10 * x)):
    ...     relu.forward(np.ones(2)).tolist()
    [10.0, 10.0]
    """
    before = _plugged.get(operation.__name__)
    _plugged[operation.__name__] = backend
    try:
        yield
    finally:
        del _plugged[operation.__name__]
        if before is not None:
            _plugged[operation.__name__] = before


def kernel(backend: type[Backend], array: Any) -> Backend:
    """The module that computes for `array` what the Protocol `backend` of an operation's contract says."""
    if _plugged and backend.__module__ in _plugged:
        return cast(Backend, _plugged[backend.__module__])
    on_device = type(array).__module__.partition(".")[0] in DEVICE_OF_MODULE
    return cast(Backend, _load(backend.__module__, CUDA_FILE if on_device else FILES[current_backend()]))


def _note_fork() -> None:
    """In a process that was forked: the threads that Numba had started are not there, and who waits for them waits for
    ever."""
    global _forked_from_threads
    _forked_from_threads |= getattr(sys.modules.get("numba.np.ufunc.parallel"), "_is_initialized", False)
    _load.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


@cache
def _load(operation: str, file: str) -> ModuleType:
    if _forked_from_threads and file == FILES["numba"]:
        raise BackendUnavailable(
            "backend 'numba': this process was forked from one whose threads were running; start it with "
            f'multiprocessing.get_context("spawn"), {OR_NUMPY}'
        )
    name = f"{operation}.{file}"
    if importlib.util.find_spec(name) is None:
        raise BackendUnavailable(f"{operation.rpartition('.')[2]} has no kernel in {file}.py yet")
    return importlib.import_module(name)
