"""Cross-entropy: its representative calls, for class numbers and for probabilities."""

from __future__ import annotations

from typing import Any

from minisd_kernels import cross_entropy
from minisd_kernels.examples import Call, Calls, Example, Make


def _both_ways(make: Make, target: Any) -> Calls:
    logits, weight = make(128, 10), abs(make(128))
    return {
        "forward": Call(cross_entropy.forward, logits, target, weight),
        "backward": Call(cross_entropy.backward, make(), logits, target, weight),
    }


EXAMPLES = (
    Example("128 rows, each of one of 10 classes", lambda make: _both_ways(make, make.integers(10, 128))),
    Example("128 rows of 10 probabilities", lambda make: _both_ways(make, abs(make(128, 10)))),
)
