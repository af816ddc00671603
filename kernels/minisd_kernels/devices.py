"""Where an array lives, and the one place where arrays cross between host and device.

    cpu     NumPy arrays
    cuda    CuPy arrays, on an NVIDIA GPU
    emu     the emulator's arrays: the GPU's kernels run on the CPU, slowly, and say what is wrong with them

Nothing crosses by itself: an operation on arrays of two devices is a TypeError. What crosses is counted.

>>> import numpy as np
>>> with counted_crossings() as crossed:
...     x = to_device(np.ones(3, np.float32), "emu")
...     y = to_host(x + x)
>>> device_of(x), device_of(y), y.tolist()
('emu', 'cpu', [2.0, 2.0, 2.0])
>>> crossed.to_device, crossed.to_host, crossed.bytes
(1, 1, 24)
"""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np

from minisd_kernels.backends import DEVICE_OF_MODULE, BackendUnavailable
from minisd_kernels.crossings import counted_crossings, note_to_device, note_to_host

__all__ = [
    "DEVICES",
    "counted_crossings",
    "device_of",
    "missing_device_reason",
    "namespace",
    "require_device",
    "synchronise",
    "to_device",
    "to_host",
]

DEVICES = ("cpu", "cuda", "emu")
_INSTALL_CUPY = "pip install 'minisd[gpu]'"


def device_of(array: Any) -> str:
    """The device that an array lives on: cpu, cuda or emu."""
    return DEVICE_OF_MODULE.get(type(array).__module__.partition(".")[0], "cpu")


@cache
def missing_device_reason(device: str) -> str | None:
    """Why arrays cannot live on `device` on this machine, with what to do; None when they can."""
    if device == "cpu":
        return None
    if device == "emu":
        from minisd_kernels.emulator import program

        try:
            program.compiler()
        except BackendUnavailable as missing:
            return str(missing).removeprefix("device 'emu': ")
        return None
    if device != "cuda":
        return f"unknown device {device!r}; choose one of {', '.join(DEVICES)}"
    if importlib.util.find_spec("cupy") is None:
        return f"CuPy is not installed: {_INSTALL_CUPY}"
    try:
        import cupy  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        return f"CuPy is installed but cannot be imported ({_first_line(error)}); install it anew: {_INSTALL_CUPY}"
    if not cupy.cuda.is_available():
        return "CuPy is installed but finds no CUDA device: an NVIDIA GPU and its driver are needed"
    from minisd_kernels.cuda import toolkit

    try:  # all else is there; can kernels be compiled?
        cupy.RawModule(code="#include <mma.h>\n__global__ void probe() {}", options=toolkit.options()).compile()
    except Exception as error:  # CuPy raises several kinds, none of which its interface names
        return f"CuPy finds no NVRTC, or no CUDA headers, to compile kernels ({_first_line(error)}): {_INSTALL_CUPY}"
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def require_device(device: str) -> None:
    """Raise BackendUnavailable, with what to do, unless arrays can live on `device`."""
    if (reason := missing_device_reason(device)) is not None:
        raise BackendUnavailable(f"device {device!r}: {reason}")


def namespace(device: str) -> Any:
    """NumPy, or what takes its place on the device: namespace("cuda").zeros(3) is made there.

    Raises:
        BackendUnavailable: the device cannot be used here.
    """
    if device == "cpu":
        return np
    require_device(device)
    if device == "cuda":
        import cupy

        return cupy
    from minisd_kernels.emulator import array

    return array.namespace()


def to_device(array: Any, device: str) -> Any:
    """The array on `device`; itself if it is there already.

    Raises:
        BackendUnavailable: the device cannot be used here.
    """
    if device_of(array) == device:
        return array
    if device == "cpu":
        return to_host(array)
    moved = namespace(device).asarray(to_host(array))
    note_to_device(moved.nbytes)
    return moved


def to_host(array: Any) -> Any:
    """The array as a NumPy array; itself if it is one already."""
    if device_of(array) == "cpu":
        return array
    note_to_host(array.nbytes)
    return array.get()


def synchronise(device: str) -> None:
    """Wait until the device has done all that it was asked to: a launch on a GPU returns before its work begins."""
    if device == "cuda":
        namespace(device).cuda.Device().synchronize()
