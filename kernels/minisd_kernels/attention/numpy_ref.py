"""Attention in NumPy: the whole matrix of scores at once."""

from __future__ import annotations

import numpy as np

from minisd_kernels.arguments import Array


def _scores(query: Array, key: Array, scale: float, causal: bool) -> Array:
    scores: Array = np.einsum("bnhd,bmhd->bhnm", query, key, optimize=True) * query.dtype.type(scale)
    if causal:
        scores = np.where(np.tri(scores.shape[2], dtype=bool), scores, -np.inf).astype(query.dtype, copy=False)
    return scores


def forward(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]:
    scores = _scores(query, key, scale, causal)
    largest = scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores - largest)
    total = weights.sum(axis=-1, keepdims=True)
    y = np.einsum("bhnm,bmhd->bnhd", weights / total, value, optimize=True)
    return y, (largest + np.log(total))[..., 0]


def backward(
    grad_y: Array, query: Array, key: Array, value: Array, y: Array, logsumexp: Array, scale: float, causal: bool
) -> tuple[Array, Array, Array]:
    weights = np.exp(_scores(query, key, scale, causal) - logsumexp[..., None])
    grad_value = np.einsum("bhnm,bnhd->bmhd", weights, grad_y, optimize=True)
    grad_weights = np.einsum("bnhd,bmhd->bhnm", grad_y, value, optimize=True)
    row_sums = np.einsum("bnhd,bnhd->bhn", grad_y, y)[..., None]
    grad_scores = weights * (grad_weights - row_sums)
    grad_query = np.einsum("bhnm,bmhd->bnhd", grad_scores, key, optimize=True)
    grad_key = np.einsum("bhnm,bnhd->bmhd", grad_scores, query, optimize=True)
    scale = query.dtype.type(scale)
    return scale * grad_query, scale * grad_key, grad_value
