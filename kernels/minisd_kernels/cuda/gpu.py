"""Kernels on this machine's GPU, through CuPy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from minisd_kernels.cuda import toolkit


@cache
def capability() -> int:
    """This GPU's compute capability: 90 for 9.0."""
    import cupy

    return int(cupy.cuda.Device().compute_capability)


def compile_for_this_gpu(text: str, instances: Mapping[str, int]) -> Any:
    """Those of a file's kernels that this GPU can run, compiled by NVRTC and kept in CuPy's cache on disk.

    Args:
        text: the file's.
        instances: each kernel, and the oldest compute capability that it compiles for.
    """
    import cupy

    return cupy.RawModule(
        code=text,
        options=(*toolkit.options(), f"-DHEADERS_{_headers_hash()}"),
        name_expressions=[name for name, oldest in instances.items() if oldest <= capability()],
    )


@cache
def _headers_hash() -> str:
    """CuPy's cache looks at a file's own text and the options, but not at the headers that it includes."""
    headers = sorted(Path(__file__).parents[1].rglob("*.cuh"))
    return sha256(b"\0".join(path.read_bytes() for path in headers)).hexdigest()[:16]
