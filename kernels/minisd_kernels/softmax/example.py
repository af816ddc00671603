"""Softmax: its representative calls."""

from __future__ import annotations

from minisd_kernels import softmax
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, grad_y = make(64, 68), make(64, 68)
    return {"forward": Call(softmax.forward, x), "backward": Call(softmax.backward, grad_y, softmax.forward(x))}


EXAMPLES = (Example("(64, 68)", both_ways),)
