"""What the machine can do at most, measured in the same run, and how the process is set up for a fair comparison.

PyTorch's outputs are fresh memory at every call. By default glibc gives large blocks back to the operating system at
once, and the next call meets a page fault for every 4 KiB: the same operation then takes up to nine times as long. Told
not to, it keeps them. It reads these variables when the process starts, and so do the thread pools.
"""

from __future__ import annotations

import math
import os
import platform
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from minisd_kernels import backends
from minisd_kernels.devices import namespace, synchronise, to_device
from minisd_kernels.switches import thread_count

SIZE = 2048  # of the matrices; their product is 17 billion operations
COPIED = 1 << 26  # bytes: more than a processor's caches hold; a GPU copies eight times as many
ROUNDS = 9


@dataclass(frozen=True)
class Machine:
    """Where the figures come from.

    Attributes:
        ceiling: GFLOP/s of a product of two matrices of 2048 x 2048 in float32, by whoever was the fastest.
        bandwidth: GB/s of a copy, bytes read and bytes written both counted.
        load: processes that wanted a core in the minute before; other than 0 says that they disturbed.
        device: where minisd's arrays lived: cpu, cuda or emu.
        gpu: the name of the GPU that computed, if one did.
    """

    cpu: str
    threads: int
    versions: dict[str, str]
    backend: str
    ceiling: float
    ceiling_by: str
    bandwidth: float
    load: float | None
    device: str = "cpu"
    gpu: str | None = None

    @property
    def processor(self) -> str:
        """What computed."""
        return self.gpu or f"{self.cpu}, {self.threads} threads"


def wanted_environment() -> dict[str, str]:
    """The variables that must be set when the process starts."""
    threads = str(thread_count())
    pools = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), threads)
    return pools | {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def restart_if_needed() -> None:
    """Start the process anew, with the same command line, unless these variables are set; on Linux only."""
    wanted = wanted_environment()
    if sys.platform == "linux" and any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | wanted)


def measure_machine(torch: Any | None, rounds: int = ROUNDS, device: str = "cpu") -> Machine:
    """Measure ceiling and bandwidth, and say what runs here; `torch` is ``minisd.bench.in_torch`` or None."""
    load, xp = os.getloadavg()[0] if hasattr(os, "getloadavg") else None, namespace(device)
    a = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
    left, right = to_device(a, device)
    out = xp.empty((SIZE, SIZE), np.float32)
    ours = {"cpu": "NumPy", "cuda": "CuPy", "emu": "NumPy"}[device]
    products: dict[str, Callable[[], object]] = {ours: lambda: xp.matmul(left, right, out=out)}
    if torch is not None:
        products["PyTorch"] = torch.matrix_product(a[0], a[1])
    speeds = {name: 2e-9 * SIZE**3 / _least_seconds(product, rounds, device) for name, product in products.items()}
    by = max(speeds, key=speeds.__getitem__)
    versions = {"Python": platform.python_version(), "numpy": metadata.version("numpy")}
    with suppress(metadata.PackageNotFoundError):  # NumPy can do without
        versions["numba"] = metadata.version("numba")
    if device == "cuda":
        versions["cupy"] = xp.__version__
    if torch is not None:
        versions["torch"] = torch.VERSION
    return Machine(
        _cpu(),
        thread_count(),
        versions,
        backends.current_backend() if device == "cpu" else device,
        speeds[by],
        by,
        _bandwidth(rounds) if device == "cpu" else _device_bandwidth(rounds, device),
        load,
        device,
        xp.cuda.runtime.getDeviceProperties(0)["name"].decode() if device == "cuda" else None,
    )


def _least_seconds(run: Callable[[], object], rounds: int, device: str = "cpu") -> float:
    """The shortest of several: what is possible is wanted here, not what is usual."""
    run()
    synchronise(device)
    least = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        synchronise(device)
        least = min(least, time.perf_counter() - start)
    return least


def _device_bandwidth(rounds: int, device: str) -> float:
    """GB/s of a copy within the device's memory."""
    source = namespace(device).ones(8 * COPIED, np.uint8)
    target = source.copy()

    def copy() -> None:
        target[...] = source

    return 2e-9 * source.nbytes / _least_seconds(copy, rounds, device)


def _bandwidth(rounds: int) -> float:
    """GB/s of a copy that all threads make together, each its part."""
    source = np.ones((thread_count(), COPIED // thread_count()), np.uint8)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(len(source)) as pool:
        seconds = _least_seconds(lambda: list(pool.map(np.copyto, target, source)), rounds)
    return 2e-9 * source.nbytes / seconds


def _cpu() -> str:
    """The processor's name; Linux keeps it where Python does not look."""
    names = Path("/proc/cpuinfo")
    if names.is_file() and (found := re.search(r"^model name\s*:\s*(.+)$", names.read_text(), re.MULTILINE)):
        return found[1]
    return platform.processor() or platform.machine()
