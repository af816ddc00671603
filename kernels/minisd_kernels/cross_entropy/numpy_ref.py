"""The cross-entropy in NumPy: the equation."""

from __future__ import annotations

from typing import Any

import numpy as np


def _log_softmax(logits: Any) -> Any:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _wanted(logits: Any, target: Any, weight: Any | None) -> Any:
    """The target as rows of probabilities, times the rows' weights."""
    rows = target if target.ndim == 2 else np.eye(logits.shape[1], dtype=logits.dtype)[target]
    return rows if weight is None else rows * weight[:, None]


def forward(logits: Any, target: Any, weight: Any | None) -> Any:
    wanted = _wanted(logits, target, weight)
    terms = np.multiply(wanted, _log_softmax(logits), out=np.zeros_like(logits), where=wanted != 0)
    return np.asarray(-terms.sum(dtype=np.float64) / len(logits), logits.dtype)


def backward(grad: Any, logits: Any, target: Any, weight: Any | None) -> Any:
    wanted = _wanted(logits, target, weight)
    return grad / len(logits) * (np.exp(_log_softmax(logits)) * wanted.sum(axis=-1, keepdims=True) - wanted)
