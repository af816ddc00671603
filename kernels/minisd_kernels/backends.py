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
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

FILES = {"numpy": "numpy_ref", "numba": "numba_cpu"}
CUDA_FILE = "cupy_gpu"  # launches the .cu beside it, on either device
DEVICE_OF_MODULE = {"cupy": "cuda", "minisd_kernels": "emu"}  # where an array's class comes from; else the CPU
_chosen: str | None = None
_winograd = True
_tensor_cores = True
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
        return f"{backend} is not installed: pip install {backend}"
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


def tensor_cores_allowed() -> bool:
    """Whether float32 products may be made by a GPU's tensor cores, which round their factors to 10 bits (TF32): not in
    without_tensor_cores(), nor with the variable MINISD_TF32=0."""
    return _tensor_cores and os.environ.get("MINISD_TF32") != "0"


@contextmanager
def without_tensor_cores() -> Iterator[None]:
    """Run the block's convolutions and attention on a GPU with float32's full 23 bits.

    >>> with without_tensor_cores():
    ...     tensor_cores_allowed()
    False
    """
    global _tensor_cores
    before, _tensor_cores = _tensor_cores, False
    try:
        yield
    finally:
        _tensor_cores = before


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
    on_device = type(array).__module__.partition(".")[0] in DEVICE_OF_MODULE
    return _load(operation, CUDA_FILE if on_device else FILES[current_backend()])


@cache
def _load(operation: str, file: str) -> ModuleType:
    name = f"{operation}.{file}"
    if importlib.util.find_spec(name) is None:
        raise BackendUnavailable(f"{operation.rpartition('.')[2]} has no kernel in {file}.py yet")
    return importlib.import_module(name)
