"""The cross-entropy on the GPU: a group of lanes takes a row."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array
from minisd_kernels.cuda.source import OLDEST, Source, blocks, c_type, contiguous, empty, of_each_type
from minisd_kernels.softmax.cupy_gpu import lanes_for

CROSS_ENTROPY = Source(
    __file__,
    "cross_entropy.cu",
    of_each_type("cross_entropy_forward")
    | {
        f"cross_entropy_{kernel}<{of}, {target}>": OLDEST
        for kernel in ("parts", "backward")
        for of in ("float", "double")
        for target in (of, "long long")
    },
)


def forward(logits: Array, target: Array, weight: Array | None) -> Array:
    (N, V), of = logits.shape, c_type(logits)
    logits, target, weight = _contiguous(logits, target, weight)
    lanes = lanes_for(V)
    parts, loss = empty((blocks(N * lanes, 256),), logits, np.float64), empty((), logits)
    CROSS_ENTROPY.launch(
        f"cross_entropy_parts<{of}, {c_type(target)}>", parts.size, 256, logits, target, weight, parts, N, V, lanes
    )
    CROSS_ENTROPY.launch(f"cross_entropy_forward<{of}>", 1, 256, parts, loss, parts.size, N)
    return loss


def backward(grad_y: Array, logits: Array, target: Array, weight: Array | None) -> Array:
    N, V = logits.shape
    logits, target, weight = _contiguous(logits, target, weight)
    lanes, grad_logits = lanes_for(V), empty((N, V), logits)
    CROSS_ENTROPY.launch(
        f"cross_entropy_backward<{c_type(logits)}, {c_type(target)}>", blocks(N * lanes, 256), 256,
        grad_y, logits, target, weight, grad_logits, N, V, lanes,
    )  # fmt: skip
    return grad_logits


def _contiguous(logits: Array, target: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    if target.ndim == 1:
        target = target.astype(np.int64, copy=False)
    return contiguous(logits), contiguous(target), contiguous(weight)
