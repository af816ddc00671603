"""Adam: its representative calls."""

from __future__ import annotations

from minisd_kernels import adam
from minisd_kernels.examples import Call, Calls, Example, Make


def step(make: Make) -> Calls:
    param, grad, m, v = make(4096), make(4096), make(4096), make(4096) ** 2
    return {
        "step": Call(adam.step, param, grad, m, v, adam.Update(step=3, lr=0.1, weight_decay=0.1, grad_scale=0.5)),
        "length": Call(adam.squared_length, grad),
        "average": Call(adam.average, make(4096), param, rate=0.3),
    }


EXAMPLES = (Example("4096 weights", step),)
