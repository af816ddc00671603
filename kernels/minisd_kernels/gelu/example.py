"""GELU: its representative calls."""

from __future__ import annotations

from minisd_kernels import gelu
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, grad_y = make(64, 68), make(64, 68)
    return {"forward": Call(gelu.forward, x), "backward": Call(gelu.backward, grad_y, x)}


EXAMPLES = (Example("(64, 68)", both_ways),)
