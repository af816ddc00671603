"""Where the parts of CUDA lie that kernels are compiled with, those that pip installs, else the toolkit's; and what
the compiler is told."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_one_at_a_time = threading.Lock()  # NVRTC does not find its own parts when two threads load it at once


@cache
def headers() -> Path | None:
    """The folder of CUDA's headers (mma.h, cuda_pipeline.h)."""
    if (found := _pathfinder("find_nvidia_header_directory", "cudart")) is not None:
        return Path(found)
    return _in_toolkit("include")


@cache
def compiler() -> Path | None:
    """NVRTC, a shared library."""
    if (found := _pathfinder("load_nvidia_dynamic_lib", "nvrtc")) is not None:
        return Path(found.abs_path)
    return _in_toolkit("lib64/libnvrtc.so*")


@cache
def disassembler() -> Path | None:
    """nvdisasm, a program that writes machine code as text."""
    if (found := _pathfinder("find_nvidia_binary_utility", "nvdisasm")) is not None:
        return Path(found)
    return _in_toolkit("bin/nvdisasm")


def options() -> tuple[str, ...]:
    """What the compiler is told about every file of ours."""
    return ("-std=c++17", f"-I{Path(__file__).parent}", *(f"-I{folder}" for folder in (headers(),) if folder))


def _pathfinder(function: str, part: str) -> Any:
    """What NVIDIA's own search finds; None if it finds nothing or is not installed."""
    try:
        from cuda import pathfinder  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ModuleNotFoundError:
        return None
    with _one_at_a_time, suppress(pathfinder.DynamicLibNotFoundError):
        return getattr(pathfinder, function)(part)
    return None


def _in_toolkit(pattern: str) -> Path | None:
    toolkits = (os.environ.get("CUDA_PATH"), os.environ.get("CUDA_HOME"), "/usr/local/cuda")
    found = (path for toolkit in toolkits if toolkit for path in sorted(Path(toolkit).glob(pattern)))
    return next(found, None)
