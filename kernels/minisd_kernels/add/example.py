"""Addition: its representative calls, on one thread and on all."""

from __future__ import annotations

from functools import partial

from minisd_kernels import add
from minisd_kernels.examples import Call, Calls, Example, Make


def _sums(make: Make, size: int) -> Calls:
    return {"forward": Call(add.forward, make(size), make(size))}


EXAMPLES = (
    Example("4160 numbers", partial(_sums, size=4160)),
    Example("16640 numbers", partial(_sums, size=16640)),
)
