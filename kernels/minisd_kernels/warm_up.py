"""Numba's kernels compiled before they are needed, in several processes at once.

Numba compiles a kernel when it is first called, one after the other: most of a minute before the first training step
has run through all of them, on one core. Here every operation's examples are called once, each in whichever process is
free. What they compile goes to a cache on disk, and the program that wanted it finds it there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from minisd_kernels import kernel_cache, notes
from minisd_kernels.backends import use_backend
from minisd_kernels.examples import Make, examples, operations

_MARK = "minisd-kernels-are-compiled"  # the file that says so


def jobs() -> list[tuple[str, int]]:
    """Every example, by its operation and number: those of the most code first, so that no process is left alone with
    a long one at the end."""
    by_code = sorted(operations(), key=_code, reverse=True)
    return [(operation, number) for operation in by_code for number, _ in enumerate(examples(operation))]


def _code(operation: str) -> int:
    """Bytes of Python in an operation's folder."""
    spec = find_spec(f"minisd_kernels.{operation}")
    folders = spec.submodule_search_locations or [] if spec is not None else []
    return sum(path.stat().st_size for folder in folders for path in Path(folder).glob("*.py"))


def _stamp() -> str:
    """What compiled kernels depend on beside their sources: another compiler or processor wants others."""
    from llvmlite import binding

    names = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
    return "\n".join([
        version("numba"), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten(),
        *(f"{name} {os.environ.get(name)}" for name in names),
    ])  # fmt: skip


def is_done() -> bool:
    """Whether compile_kernels() has run through on this machine, for these sources."""
    folder = kernel_cache.folder()
    return folder is not None and (mark := folder / _MARK).is_file() and mark.read_text() == _stamp()


def compile_kernels(processes: int | None = None, dtypes: Sequence[str] = ("float32",)) -> Iterator[str]:
    """Compile the kernels of every example, and name each example's operation as it is done.

    Nothing is done if there is no folder to keep them in: a kernel then compiles when it is called.

    Args:
        processes: how many at once, one a core unless given; each takes some 300 MB.
        dtypes: of the arrays; training and drawing compute in float32.
    """
    folder = kernel_cache.folder()
    if folder is None:
        return
    pool = ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("spawn"), _start)
    try:
        names = {pool.submit(compile_example, *job, dtype): job[0] for dtype in dtypes for job in jobs()}
        for future in as_completed(names):
            future.result()
            yield names[future]
    finally:
        pool.shutdown(cancel_futures=True)
    with suppress(OSError):  # sources may have changed meanwhile, and another program removed the folder
        (folder / _MARK).write_text(_stamp())


def _start() -> None:
    """A process of its own compiles on one thread, silently, and leaves Ctrl-C to the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["NUMBA_NUM_THREADS"] = "1"
    notes.quiet = True


def compile_example(operation: str, number: int, dtype: str = "float32") -> None:
    """Call the functions of one example."""
    with use_backend("numba"):
        for call in examples(operation)[number].calls(Make("cpu", np.dtype(dtype).type)).values():
            call()
