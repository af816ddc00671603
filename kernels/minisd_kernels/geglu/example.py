"""GEGLU: its representative calls."""

from __future__ import annotations

from minisd_kernels import geglu
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, grad_y = make(64, 136), make(64, 68)
    return {"forward": Call(geglu.forward, x), "backward": Call(geglu.backward, grad_y, x)}


EXAMPLES = (Example("(64, 136) -> (64, 68)", both_ways),)
