"""ReLU: its representative calls."""

from __future__ import annotations

from minisd_kernels import relu
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, grad_y = make(4352), make(4352)
    return {"forward": Call(relu.forward, x), "backward": Call(relu.backward, grad_y, relu.forward(x))}


EXAMPLES = (Example("4352 numbers", both_ways),)
