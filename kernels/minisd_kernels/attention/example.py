"""Attention: its representative calls, and its ladder of CUDA kernels."""

from __future__ import annotations

from minisd_kernels import attention
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    query, key, value, grad = make(2, 33, 2, 20), make(2, 35, 2, 20), make(2, 35, 2, 20), make(2, 33, 2, 20)
    saved = query, key, value, *attention.forward(query, key, value)
    itself = query, query, query, *attention.forward(query, query, query, causal=True)
    return {
        "forward": Call(attention.forward, query, key, value),
        "backward": Call(attention.backward, grad, *saved),
        "causal": Call(attention.forward, query, query, query, causal=True),
        "backward, causal": Call(attention.backward, grad, *itself, causal=True),
    }


def ladder(make: Make) -> Calls:
    from minisd_kernels.attention.cupy_gpu import STEPS, forward_by

    query, key, value = make(1, 64, 2, 32), make(1, 64, 2, 32), make(1, 64, 2, 32)
    return {step: Call(forward_by, step, query, key, value, 32**-0.5, False) for step in STEPS}


EXAMPLES = (
    Example("33 queries, 35 keys, 2 heads of 20", both_ways),
    Example("64 queries, 64 keys, 2 heads of 32", ladder, ladder=True, products=2 * 2 * 64 * 64 * 32),
)
