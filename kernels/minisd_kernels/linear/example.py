"""A linear layer: its representative calls."""

from __future__ import annotations

from minisd_kernels import linear
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, weight, bias, grad = make(60, 24), make(24, 37), make(37), make(60, 37)
    return {"forward": Call(linear.forward, x, weight, bias), "backward": Call(linear.backward, grad, x, weight)}


EXAMPLES = (Example("(60, 24) -> (60, 37)", both_ways, products=60 * 24 * 37),)
