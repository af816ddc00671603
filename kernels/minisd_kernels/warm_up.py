"""Numba's kernels compiled before they are needed, in several processes at once.

Numba compiles a kernel when it is first called, one after the other: most of a minute before the first training step
has run through all of them, on one core. Here every kernel is called once, on a few zeros, each call in whichever
process is free. What they compile goes to Numba's cache on disk, and the program that wanted it finds it there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from minisd_kernels import (
    adam,
    add,
    attention,
    conv2d,
    cross_entropy,
    embedding,
    gelu,
    group_norm,
    layer_norm,
    linear,
    max_pool2d,
    mean_squared_error,
    relu,
    silu,
    softmax,
    upsample2d,
)
from minisd_kernels.backends import use_backend

_MARK = "minisd-kernels-are-compiled"  # the file that says so


def _zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


_ROWS, _ROW, _PICTURE, _TOKENS = _zeros(8, 32), _zeros(32), _zeros(1, 4, 4, 32), _zeros(1, 8, 2, 16)
_IDS = np.zeros(8, np.int64)


def _convolution(C: int, O: int) -> Callable[[], Any]:
    return lambda: conv2d.backward(_zeros(1, 8, 8, O), _zeros(1, 8, 8, C), _zeros(3, 3, C, O), padding=1)


def _thin_convolution() -> None:
    conv2d.forward(_PICTURE, _zeros(3, 3, 32, 1), _zeros(1), padding=1)
    _convolution(32, 1)()


def _group_norm() -> None:
    _, mean, rstd = group_norm.forward(_PICTURE, _ROW, _ROW, groups=8, silu=True)
    group_norm.backward(_PICTURE, _PICTURE, _ROW, _ROW, mean, rstd, groups=8, silu=True)


def _attention_backward() -> None:
    attention.backward(_TOKENS, _TOKENS, _TOKENS, _TOKENS, _TOKENS, _zeros(1, 2, 8))


def _max_pool() -> None:
    y, argmax = max_pool2d.forward(_PICTURE, window=2)
    max_pool2d.backward(y, argmax, _PICTURE.shape, window=2)


def _mean_squared_error() -> None:
    mean_squared_error.backward(mean_squared_error.forward(_ROWS, _ROWS), _ROWS, _ROWS)


def _cross_entropy() -> None:
    cross_entropy.backward(cross_entropy.forward(_ROWS, _IDS), _ROWS, _IDS)


def _adam() -> None:
    adam.step(_zeros(1), _zeros(1), _zeros(1), _zeros(1), step=1, lr=0.0)
    adam.squared_length(_zeros(1))
    adam.average(_zeros(1), _zeros(1), 0.0)


# Each call compiles a kernel, or a few that share most of what they are made of: the slowest first, so that no process
# is left alone with one at the end.
CALLS: dict[str, Callable[[], Any]] = {
    "convolution by Winograd": _convolution(32, 32),
    "convolution": _convolution(16, 16),
    "attention, backward": _attention_backward,
    "linear": lambda: linear.backward(_ROWS, _ROWS, _zeros(32, 32)),
    "attention": lambda: attention.forward(_TOKENS, _TOKENS, _TOKENS),
    "group norm": _group_norm,
    "thin convolution": _thin_convolution,
    "max pool": _max_pool,
    "upsampling": lambda: (upsample2d.forward(_PICTURE, 2), upsample2d.backward(_PICTURE, 2)),
    "cross-entropy": _cross_entropy,
    "layer norm": lambda: layer_norm.backward(_ROWS, _ROWS, _ROW, *layer_norm.forward(_ROWS, _ROW, _ROW)[1:]),
    "embedding": lambda: embedding.backward(embedding.forward(_ROWS, _IDS), _IDS, 8),
    "GELU": lambda: gelu.backward(_ROWS, gelu.forward(_ROWS)),
    "SiLU": lambda: silu.backward(_ROWS, silu.forward(_ROWS)),
    "Adam": _adam,
    "mean squared error": _mean_squared_error,
    "softmax": lambda: softmax.backward(_ROWS, softmax.forward(_ROWS)),
    "ReLU": lambda: relu.backward(_ROWS, relu.forward(_ROWS)),
    "sums": lambda: [add.forward(_zeros(n), _zeros(n)) for n in (8, 1 << 13)],
}


def _stamp() -> str:
    """What compiled kernels depend on: another release, compiler or processor wants others."""
    from llvmlite import binding

    sources = sorted(Path(__file__).parent.rglob("*.py"))
    about = [
        *(f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in sources),
        *(version("numba"), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()),
        *(f"{name} {os.environ.get(name)}" for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT")),
    ]
    return sha256("\n".join(about).encode()).hexdigest()


def is_done() -> bool:
    """Whether compile_kernels() has run through on this machine, for this release of the kernels."""
    from minisd_kernels.compiling import CACHE

    try:
        return CACHE is not None and (CACHE / _MARK).read_text() == _stamp()
    except OSError:
        return False


def compile_kernels(processes: int | None = None) -> Iterator[str]:
    """Compile every float32 kernel that training and drawing need into Numba's cache, and name each as it is done.

    Nothing is done if there is no folder to keep them in: a kernel then compiles when it is called.

    Args:
        processes: how many at once, one a core unless given; each takes some 300 MB.
    """
    from minisd_kernels.compiling import CACHE

    if CACHE is None:
        return
    stamp = _stamp()
    pool = ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("spawn"), _start)
    try:
        names = {pool.submit(_compile, name): name for name in CALLS}
        for future in as_completed(names):
            future.result()
            yield names[future]
    finally:
        pool.shutdown(cancel_futures=True)
    (CACHE / _MARK).write_text(stamp)


def _start() -> None:
    """A process of its own compiles on one thread, and leaves Ctrl-C to the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["NUMBA_NUM_THREADS"] = "1"


def _compile(name: str) -> None:
    with use_backend("numba"):
        CALLS[name]()
