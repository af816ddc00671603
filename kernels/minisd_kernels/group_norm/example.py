"""Group normalisation: its representative calls, and its ladder of CUDA kernels."""

from __future__ import annotations

from typing import Any

from minisd_kernels import group_norm
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    x, gamma, beta, grad_y = make(2, 9, 8, 64), make(64), make(64), make(2, 9, 8, 64)
    _, *saved = group_norm.forward(x, gamma, beta, groups=8)
    options: dict[str, Any] = {"groups": 8, "silu": True}
    return {
        "forward": Call(group_norm.forward, x, gamma, beta, groups=8),
        "backward": Call(group_norm.backward, grad_y, x, gamma, beta, *saved, groups=8),
        "with SiLU": Call(group_norm.forward, x, gamma, beta, **options),
        "backward, with SiLU": Call(group_norm.backward, grad_y, x, gamma, beta, *saved, **options),
    }


def ladder(make: Make) -> Calls:
    from minisd_kernels.group_norm.cupy_gpu import STEPS, forward_by

    x, gamma, beta = make(2, 14 * 14, 64), make(64), make(64)
    return {step: Call(forward_by, step, x, gamma, beta, 8, 1e-5, True) for step in STEPS}


EXAMPLES = (
    Example("(2, 9, 8, 64), 8 groups", both_ways),
    Example("(2, 14, 14, 64), 8 groups", ladder, ladder=True),
)
