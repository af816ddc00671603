"""Max-pooling: its representative calls."""

from __future__ import annotations

from typing import Any

from minisd_kernels import max_pool2d
from minisd_kernels.examples import Call, Calls, Example, Make


def _both_ways(make: Make, shape: tuple[int, ...], **options: Any) -> Calls:
    x = make(*shape)
    y, argmax = max_pool2d.forward(x, **options)
    return {
        "forward": Call(max_pool2d.forward, x, **options),
        "backward": Call(max_pool2d.backward, make(*y.shape), argmax, x_shape=x.shape, **options),
    }


def both_ways(make: Make) -> Calls:
    apart = _both_ways(make, (2, 16, 16, 32), window=2)
    shared = _both_ways(make, (2, 9, 8, 6), window=(3, 2), stride=2, padding=(1, 0))
    return apart | {f"{name}, 3 x 2": call for name, call in shared.items()}


EXAMPLES = (Example("2 x 2: (2, 16, 16, 32) -> (2, 8, 8, 32); 3 x 2: (2, 9, 8, 6) -> (2, 5, 4, 6)", both_ways),)
