"""Transposed convolution: its representative calls."""

from __future__ import annotations

from typing import Any

from minisd_kernels import conv_transpose2d
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, weight, bias = make(2, 5, 4, 12), make(3, 2, 12, 17), make(17)
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0)}
    grad = make(*conv_transpose2d.forward(x, weight, bias, **options).shape)
    return {
        "forward": Call(conv_transpose2d.forward, x, weight, bias, **options),
        "backward": Call(conv_transpose2d.backward, grad, x, weight, **options),
    }


EXAMPLES = (Example("3 x 2, stride 2 x 1, padding 1 x 0: (2, 5, 4, 12) -> (2, 9, 5, 17)", both_ways),)
