"""Embedding: its representative calls."""

from __future__ import annotations

from minisd_kernels import embedding
from minisd_kernels.examples import Call, Calls, Example, Make


def both_ways(make: Make) -> Calls:
    table, ids, grad_y = make(64, 34), make.integers(64, 128), make(128, 34)
    return {
        "forward": Call(embedding.forward, table, ids),
        "backward": Call(embedding.backward, grad_y, ids, vocabulary=64),
    }


EXAMPLES = (Example("a table of 64 rows of 34, 128 ids", both_ways),)
