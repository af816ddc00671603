"""Heads: the width split, looked at in parts, and put together again

A layer of attention with several heads (Vaswani et al. 2017, section 3.2.2). Tokens `x` (B, N, width) become queries,
the tokens of `context` (B, M, context width) become keys and values, each by a matrix; for self-attention the context
is x. The width is split into `heads` parts of d = width / heads numbers that lie side by side: head 0 has the first d,
head 1 the next. Each head attends for itself. Their outputs are laid side by side again, and a last matrix mixes them.

`attention` (08.3) is given: yours, if you have written it.
"""

import numpy as np
from minisd_kernels.backends import use_backend

from minisd.autograd import Tensor
from minisd.course import mine
from minisd.nn.attention import MultiHeadAttention

attention = mine("08.3")

POINTS, MINUTES = 3, 30
GIVEN = ("np", "mine", "attention")
HINTS = (
    "Three products, one split, one call of attention, one merge, one product. Write the shape at each line.",
    "Numbers that lie side by side are split by reshape alone: (B, N, width) to (B, N, heads, d), nothing else.",
    "attention returns two things; the first is (B, N, heads, d), and reshape brings it back to (B, N, width).",
)


def multi_head_attention(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """The tokens after attention, (B, N, width). Matrices: to_query and to_out (width, width), the other two
    (context width, width)."""
    layer = MultiHeadAttention(
        x.shape[2], heads, rng=np.random.default_rng(0), context_width=context.shape[2], causal=causal
    )
    weights = dict(layer.named_parameters())
    matrices = {"to_query": to_query, "to_key": to_key, "to_value": to_value, "to_out": to_out}
    for name, matrix in matrices.items():
        weights[f"{name}.weight"].data = matrix
    weights["to_out.bias"].data = np.zeros(x.shape[2], x.dtype)
    with use_backend("numpy"):
        return layer(Tensor(x), Tensor(context)).data


def cases(rng, dtype):
    for B, N, M, width, context_width, heads in (
        (1, 1, 1, 2, 2, 1),
        (2, 3, 4, 6, 5, 3),
        (3, 4, 2, 8, 8, 2),
        (1, 2, 3, 4, 3, 4),
    ):
        shapes = (
            (B, N, width),
            (B, M, context_width),
            (width, width),
            (context_width, width),
            (context_width, width),
            (width, width),
        )
        yield *(rng.standard_normal(shape).astype(dtype) for shape in shapes), heads
    x = rng.standard_normal((2, 4, 6)).astype(dtype)
    yield x, x, *rng.standard_normal((4, 6, 6)).astype(dtype), 2, True
    yield x, x.copy(), *rng.standard_normal((4, 6, 6)).astype(dtype), 6, False
    large = (10 * rng.standard_normal((2, 3, 8))).astype(dtype)  # scores whose exponentials overflow
    yield large, large, *rng.standard_normal((4, 8, 8)).astype(dtype), 2


def _layer(x, context, matrices, heads, causal, *, split=None, merge=None, out=True, looks=None):
    """The layer with one of its steps done in another way."""
    to_query, to_key, to_value, to_out = matrices
    cut = split or (lambda array: array.reshape(*array.shape[:2], heads, -1))
    q, k, v = cut(x @ to_query), cut(context @ to_key), cut(context @ to_value)
    y = (looks or attention)(q, k, v, causal)[0]
    y = merge(y) if merge else y.reshape(x.shape)
    return y @ to_out if out else y


def mistake_one_head(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """All the width looks as one head: split it into as many as are asked for."""
    return _layer(x, context, (to_query, to_key, to_value, to_out), 1, causal)


def mistake_interleaved(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """You deal the numbers out to the heads in turn: head 0 has the first d of them, side by side."""

    def split(array):
        return array.reshape(*array.shape[:2], -1, heads).transpose(0, 1, 3, 2)

    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, causal, split=split)


def mistake_merged_interleaved(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """Split is right, merge is not: the outputs of the heads are laid side by side, not dealt out in turn."""

    def merge(y):
        return y.transpose(0, 1, 3, 2).reshape(x.shape)

    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, causal, merge=merge)


def mistake_tokens_torn(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """A reshape to (B, heads, tokens, d) tears tokens apart: reshape to (B, tokens, heads, d), then exchange axes."""

    def split(array):
        return array.reshape(len(array), heads, array.shape[1], -1).transpose(0, 2, 1, 3)

    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, causal, split=split)


def mistake_no_last_matrix(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """The heads are laid side by side and left so: the last matrix, which mixes them, is missing."""
    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, causal, out=False)


def mistake_key_and_value_exchanged(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """You use the keys' matrix for the values, and the values' for the keys."""
    return _layer(x, context, (to_query, to_value, to_key, to_out), heads, causal)


def mistake_not_causal(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """causal is not handed on: with it no token sees a later one."""
    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, False)


def mistake_scaled_by_width(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """You scale by the whole width: a head's scores are sums of d products, d = width / heads."""

    def looks(q, k, v, causal):
        return attention(q, k, v, causal, x.shape[-1] ** -0.5)

    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, causal, looks=looks)


def mistake_transposed(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    """Your last matrix is transposed: the token stands before the matrix, y @ to_out."""
    return _layer(x, context, (to_query, to_key, to_value, to_out), heads, causal, out=False) @ to_out.T


def right_head_by_head(x, context, to_query, to_key, to_value, to_out, heads, causal=False):
    d = x.shape[2] // heads
    y = np.zeros(x.shape, x.dtype)
    for first in range(0, x.shape[2], d):
        part = slice(first, first + d)
        q, k, v = x @ to_query[:, part], context @ to_key[:, part], context @ to_value[:, part]
        y[..., part] = attention(q[:, :, None], k[:, :, None], v[:, :, None], causal)[0][:, :, 0]
    return y @ to_out


def right_without_attention(x, context, wq, wk, wv, wo, heads, causal=False):
    q, k, v = (
        (tokens @ w).reshape(len(x), -1, heads, x.shape[2] // heads).transpose(0, 2, 1, 3)
        for tokens, w in ((x, wq), (context, wk), (context, wv))
    )
    s = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    s = np.where(np.tri(s.shape[-1]), s, -np.inf) if causal else s
    p = np.exp(s - s.max(-1, keepdims=True))
    mixed = (p / p.sum(-1, keepdims=True)) @ v
    return np.concatenate(list(mixed.transpose(1, 0, 2, 3)), axis=-1) @ wo
