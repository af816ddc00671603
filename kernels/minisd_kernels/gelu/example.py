"""GELU: its representative calls."""

from __future__ import annotations

from minisd_kernels import gelu
from minisd_kernels.examples import Call, Calls, Example, Make


def tanh_form(make: Make) -> Calls:
    x, grad_y = make(4352), make(4352)
    return {"forward": Call(gelu.forward, x), "backward": Call(gelu.backward, grad_y, x)}


def exact_form(make: Make) -> Calls:
    x, grad_y = make(4352), make(4352)
    return {
        "exact": Call(gelu.forward, x, exact=True),
        "backward, exact": Call(gelu.backward, grad_y, x, exact=True),
    }


EXAMPLES = (Example("4352 numbers", tanh_form), Example("4352 numbers", exact_form))
