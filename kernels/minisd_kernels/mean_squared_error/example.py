"""Mean squared error: its representative calls."""

from __future__ import annotations

from minisd_kernels import mean_squared_error
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    a, b, grad = make(4352), make(4352), make()
    return {
        "forward": Call(mean_squared_error.forward, a, b),
        "backward": Call(mean_squared_error.backward, grad, a, b),
    }


EXAMPLES = (Example("4352 numbers", both_ways),)
