"""The cross-entropy in NumPy: the equation."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _wanted(logits: Array, target: Array, weight: Array | None) -> Array:
    """The target as rows of probabilities, times the rows' weights."""
    rows = target if target.ndim == 2 else np.eye(logits.shape[1], dtype=logits.dtype)[target]
    return rows if weight is None else rows * weight[:, None]


def forward(logits: Array, target: Array, weight: Array | None) -> Array:
    wanted = _wanted(logits, target, weight)
    terms = np.multiply(wanted, _log_softmax(logits), out=np.zeros_like(logits), where=wanted != 0)
    return np.asarray(-terms.sum(dtype=np.float64) / len(logits), logits.dtype)


def backward(grad_y: Array, logits: Array, target: Array, weight: Array | None) -> Array:
    wanted = _wanted(logits, target, weight)
    return grad_y / len(logits) * (np.exp(_log_softmax(logits)) * wanted.sum(axis=-1, keepdims=True) - wanted)
