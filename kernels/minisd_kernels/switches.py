"""What may be switched: how exactly kernels round, and how many threads they take.

>>> with winograd.off():
...     bool(winograd)
False
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_THREADS = "NUMBA_NUM_THREADS"
_FOR_A_CORE = 16


class Switch:
    """A faster way of rounding less exactly, which is on unless a variable is set to 0, or a block turns it off.

    Args:
        variable: the environment's.
    """

    def __init__(self, variable: str) -> None:
        self.variable = variable
        self._on = True

    def __bool__(self) -> bool:
        return self._on and os.environ.get(self.variable) != "0"

    @contextmanager
    def off(self) -> Iterator[None]:
        """Run the block without."""
        before, self._on = self._on, False
        try:
            yield
        finally:
            self._on = before


# Whether a 3 x 3 convolution may round as Winograd's method does. Without it an output's bits do not depend on where it
# lies in the picture.
winograd = Switch("MINISD_WINOGRAD")

# Whether float32 products may be made by a GPU's tensor cores, which round their factors to 10 bits (TF32) of 23.
tensor_cores = Switch("MINISD_TF32")


def most_threads() -> int:
    """As many as may be asked for: far more than cores gain nothing, and the system gives no million."""
    return _FOR_A_CORE * _cores()


def threads_asked_for() -> int | None:
    """The number in the variable NUMBA_NUM_THREADS; None where it is not set.

    Raises:
        ValueError: it is no number of threads.
    """
    text = os.environ.get(_THREADS)
    if not text:
        return None
    count = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= count <= most_threads():
        raise ValueError(f"the variable {_THREADS}: {_wanted()}, got {text!r}")
    return count


def thread_count() -> int:
    """As many threads as Numba will take, without asking it, which would start it: those asked for, else a core each.

    Raises:
        ValueError: those asked for are no number of threads.
    """
    return threads_asked_for() or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(_cores()))


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Run the block's kernels on `count` threads; the results are the same on any number.

    Numba starts its threads once, at the first kernel: later the number can only be lowered.

    Raises:
        ValueError: `count` is not positive, or more than this machine can run, or Numba has started with fewer.
    """
    if not 1 <= count <= most_threads():
        raise ValueError(f"threads: {_wanted()}, got {count}")
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


def _cores() -> int:
    return os.cpu_count() or 1


def _wanted() -> str:
    return f"wanted 1 to {most_threads()} on this machine of {_cores()} cores"
