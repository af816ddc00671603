"""Group norm: its representative calls."""

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


EXAMPLES = (Example("(2, 9, 8, 64), 8 groups", both_ways),)
