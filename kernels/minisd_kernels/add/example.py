"""Addition: its representative calls, on one thread and on all."""

from __future__ import annotations

from minisd_kernels import add
from minisd_kernels.examples import Call, Calls, Example, Make


def _sums(make: Make, *shape: int) -> Calls:
    return {
        "forward": Call(add.forward, make(*shape), make(*shape)),
        "into": Call(add.into, make(*shape), make(*shape)),
    }


EXAMPLES = (
    Example("(64, 65)", lambda make: _sums(make, 64, 65)),
    Example("(128, 130)", lambda make: _sums(make, 128, 130)),
)
