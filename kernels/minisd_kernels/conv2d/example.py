"""Convolution: its representative calls, an example for each way to compute it, and its ladder of CUDA kernels."""

from __future__ import annotations

from functools import partial
from typing import Any

from minisd_kernels import conv2d
from minisd_kernels.examples import Call, Calls, Example, Make


def _both_ways(make: Make, shape: tuple[int, ...], window: tuple[int, int], O: int, **options: Any) -> Calls:
    x, weight, bias = make(*shape), make(*window, shape[3], O) / make.dtype(8), make(O)
    grad = make(*conv2d.forward(x, weight, bias, **options).shape) / make.dtype(8)
    return {
        "forward": Call(conv2d.forward, x, weight, bias, **options),
        "backward": Call(conv2d.backward, grad, x, weight, **options),
    }


def ladder(make: Make) -> Calls:
    from minisd_kernels.conv2d.cupy_gpu import STEPS, forward_by

    x, weight, bias = make(1, 16, 16, 32), make(3, 3, 32, 64), make(64)
    geometry = (16, 16), (1, 1), ((1, 1), (1, 1)), (1, 1)
    return {step: Call(forward_by, step, x, weight, bias, *geometry) for step in STEPS}


EXAMPLES = (
    Example(
        "3 x 3, padding 1: (1, 6, 7, 33) -> (1, 6, 7, 37)",
        partial(_both_ways, shape=(1, 6, 7, 33), window=(3, 3), O=37, padding=1),
    ),
    Example(
        "3 x 2, stride 2 x 1, padding 1 x 0, dilation 1 x 2: (2, 9, 8, 12) -> (2, 5, 6, 17)",
        partial(_both_ways, shape=(2, 9, 8, 12), window=(3, 2), O=17, stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
    ),
    Example("3 x 2: (2, 9, 8, 5) -> (2, 7, 7, 3)", partial(_both_ways, shape=(2, 9, 8, 5), window=(3, 2), O=3)),
    Example(
        "3 x 3, padding 1: (1, 16, 16, 32) -> (1, 16, 16, 64)", ladder, ladder=True, products=9 * 32 * 16 * 16 * 64
    ),
)
