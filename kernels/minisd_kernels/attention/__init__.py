"""Scaled dot-product attention (Vaswani et al. 2017, eq. 1), for every sample and head:

    scores[n, m] = scale <query[n], key[m]>         scale = 1 / sqrt(d) unless given
    y[n]         = sum_m softmax_m(scores[n, m]) value[m]

Self-attention when query, key and value come from the same tokens, cross-attention when key and value come from a
context (the prompt), causal when token n sees only the tokens m <= n.

Shapes: query (B, N, h, d), key and value (B, M, h, d) -> y (B, N, h, d). The logarithm of each row's softmax
denominator, logsumexp (B, h, N), is all that backward needs besides: the N x M scores are made again, not stored.

>>> import numpy as np
>>> y, _ = forward(np.zeros((1, 1, 1, 2)), np.zeros((1, 2, 1, 2)), np.array([[[[0.0, 2.0]], [[4.0, 6.0]]]]))
>>> y.ravel().tolist()
[2.0, 4.0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from minisd_kernels.arguments import Array, require_float, require_shape
from minisd_kernels.backends import kernel
from minisd_kernels.shapes import ShapeError


class Backend(Protocol):
    """What each backend's file defines."""

    def forward(self, query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array]: ...

    def backward(
        self,
        grad_y: Array,
        query: Array,
        key: Array,
        value: Array,
        y: Array,
        logsumexp: Array,
        scale: float,
        causal: bool,
    ) -> tuple[Array, Array, Array]: ...


def forward(
    query: Array, key: Array, value: Array, *, scale: float | None = None, causal: bool = False
) -> tuple[Array, Array]:
    """Mix the values by how well their keys fit each query; logsumexp is returned for backward.

    Shapes: query (B, N, h, d), key and value (B, M, h, d) -> y (B, N, h, d), logsumexp (B, h, N).

    Raises:
        ShapeError: the shapes do not fit, or causal attention of unequal lengths.
        TypeError: the arrays are not all float32 or all float64.
    """
    require_float("attention", query, key, value)
    require_shape("attention query", query, "(B, N, h, d)", (None,) * 4)
    B, N, h, d = query.shape
    require_shape("attention key", key, "(B, M, h, d)", (B, None, h, d))
    M = key.shape[1]
    require_shape("attention value", value, "(B, M, h, d)", (B, M, h, d))
    if M == 0:
        raise ShapeError("attention: wanted at least one key to look at, got a context of 0 tokens")
    if causal and N != M:
        raise ShapeError(f"attention: causal, wanted as many keys as queries, got {M} keys for {N} queries")
    return kernel(Backend, query).forward(query, key, value, _scale(scale, d), causal)


def backward(
    grad_y: Array,
    query: Array,
    key: Array,
    value: Array,
    y: Array,
    logsumexp: Array,
    *,
    scale: float | None = None,
    causal: bool = False,
) -> tuple[Array, Array, Array]:
    """The gradients in query, key and value (Dao et al. 2022, appendix B.2).

    With weights = softmax(scores):

        grad_value = weights^T grad_y,    grad_weights = grad_y value^T
        grad_scores = weights (grad_weights - <grad_y, y>)
        grad_query = scale grad_scores key,    grad_key = scale grad_scores^T query

    Shapes: grad_y, query and y (B, N, h, d), key and value (B, M, h, d), logsumexp (B, h, N)
        -> grad_query (B, N, h, d), grad_key and grad_value (B, M, h, d).

    Raises: as forward.
    """
    require_float("attention", grad_y, query, key, value, y, logsumexp)
    B, N, h, d = query.shape
    M = key.shape[1]
    for name, array in (("grad_y", grad_y), ("y", y)):
        require_shape(f"attention {name}", array, "(B, N, h, d)", (B, N, h, d))
    for name, array in (("key", key), ("value", value)):
        require_shape(f"attention {name}", array, "(B, M, h, d)", (B, M, h, d))
    require_shape("attention logsumexp", logsumexp, "(B, h, N)", (B, h, N))
    run = kernel(Backend, query).backward
    return run(grad_y, query, key, value, y, logsumexp, _scale(scale, d), causal)


def _scale(scale: float | None, d: int) -> float:
    if d == 0:
        raise ShapeError("attention: wanted heads of width d >= 1, got d = 0")
    return float(d) ** -0.5 if scale is None else float(scale)


if TYPE_CHECKING:  # so mypy holds them to it
    from minisd_kernels.attention import cupy_gpu, numba_cpu, numpy_ref

    _backends: tuple[Backend, ...] = (numpy_ref, numba_cpu, cupy_gpu)
