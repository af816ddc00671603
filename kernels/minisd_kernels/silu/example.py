"""SiLU: its representative calls."""

from __future__ import annotations

from minisd_kernels import silu
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, grad_y = make(4352), make(4352)
    return {
        "forward": Call(silu.forward, x),
        "backward": Call(silu.backward, grad_y, x),
        "quick GELU": Call(silu.forward, x, slope=1.702),
        "backward, quick GELU": Call(silu.backward, grad_y, x, slope=1.702),
    }


EXAMPLES = (Example("4352 numbers", both_ways),)
