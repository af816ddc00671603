"""Upsampling: its representative calls."""

from __future__ import annotations

from minisd_kernels import upsample2d
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, grad_y = make(2, 8, 9, 32), make(2, 16, 27, 32)
    return {
        "forward": Call(upsample2d.forward, x, scale=(2, 3)),
        "backward": Call(upsample2d.backward, grad_y, scale=(2, 3)),
    }


EXAMPLES = (Example("(2, 8, 9, 32) -> (2, 16, 27, 32)", both_ways),)
