"""Layer norm: its representative calls."""

from __future__ import annotations

from minisd_kernels import layer_norm
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, gamma, beta, grad_y = make(130, 68), make(68), make(68), make(130, 68)
    _, *saved = layer_norm.forward(x, gamma, beta)
    return {
        "forward": Call(layer_norm.forward, x, gamma, beta),
        "backward": Call(layer_norm.backward, grad_y, x, gamma, *saved),
    }


EXAMPLES = (Example("(130, 68)", both_ways),)
