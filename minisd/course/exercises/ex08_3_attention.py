"""Attention

Every query looks at every key, and takes a mixture of the values (Vaswani et al. 2017, eq. 1):

$$s_{nm} = \\mathrm{scale}\\,\\langle q_n, k_m\\rangle, \\qquad o_n = \\sum_m \\mathrm{softmax}_m(s_{nm})\\,v_m$$

for every sample of the batch and every head by itself. The scale is $1/\\sqrt{d}$ unless another is given.

Shapes: `query` (B, N, h, d); `key` and `value` (B, M, h, d). N and M differ when words are looked at by pixels. With
`causal` query n sees only the keys m up to n; then N = M.

Give back the output and the logarithm of every row's denominator, which the gradient needs later (08.4):

$$L_n = \\log \\sum_m e^{s_{nm}}$$

This function can stand in for minisd's own when it draws.
"""

import numpy as np
from minisd_kernels.attention import numpy_ref

POINTS, MINUTES = 6, 60
HINTS = (
    "First one sample and one head, with loops. Then np.einsum: name the axes of what goes in and what comes out.",
    "Scores have the axes b, h, n, m: of (b, n, h, d) and (b, m, h, d) sum over d. Then softmax along m.",
    "L is the row's largest score, plus the logarithm of the sum of the exponentials from which it was taken away.",
)


def attention(query, key, value, causal=False, scale=None):
    """(out, logsumexp), shaped (B, N, h, d) and (B, h, N)."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return numpy_ref.forward(query, key, value, scale, causal)


def cases(rng, dtype):
    def arrays(B, N, M, h, d, size=1.0):
        query, key = ((size * rng.standard_normal((B, length, h, d))).astype(dtype) for length in (N, M))
        return query, key, rng.standard_normal((B, M, h, d)).astype(dtype)

    yield arrays(1, 1, 1, 1, 1)
    yield arrays(1, 3, 4, 1, 2)
    yield arrays(2, 3, 5, 2, 4)
    yield arrays(3, 2, 2, 2, 2)
    yield *arrays(2, 4, 4, 3, 5), True
    yield *arrays(2, 3, 3, 3, 3), True, 0.3
    yield *arrays(1, 2, 3, 2, 4), False, 1.7
    yield arrays(1, 3, 4, 2, 8, size=25.0)  # exponents that overflow
    yield *arrays(1, 4, 4, 1, 8, size=25.0), True
    query, key, value = arrays(1, 2, 3, 1, 2)
    yield query, -np.abs(key) * dtype(1000), np.abs(value), False, 0.5


def _given(scores_of=None, causal=True, scale=None, weights_of=None, out_of=None):
    """Attention with one of its steps done in another way."""

    def answer(query, key, value, is_causal=False, given_scale=None):
        d = query.shape[-1]
        used = (d**-0.5 if given_scale is None else given_scale) if scale is None else scale(d, given_scale)
        scores = np.einsum("bnhd,bmhd->bhnm", query, key) * query.dtype.type(used)
        if is_causal and causal:
            scores = np.where(np.tri(scores.shape[2], dtype=bool), scores, -np.inf)
        top = scores.max(axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            weights, logsumexp = (weights_of or _softmax)(scores, top)
            return (out_of or _mix)(weights, value), logsumexp

    return answer


def _softmax(scores, top):
    raised = np.exp(scores - top)
    total = raised.sum(axis=-1, keepdims=True)
    return raised / total, (top + np.log(total))[..., 0]


def _mix(weights, value):
    return np.einsum("bhnm,bmhd->bnhd", weights, value)


def mistake_not_scaled(query, key, value, causal=False, scale=None):
    """The scores are not scaled: without 1 / sqrt(d) they grow with the width, and the softmax sees one key only."""
    return _given(scale=lambda d, given: 1.0 if given is None else given)(query, key, value, causal, scale)


def mistake_divided_by_width(query, key, value, causal=False, scale=None):
    """You divide by d: a sum of d products has the deviation sqrt(d), so the scale is 1 / sqrt(d)."""
    return _given(scale=lambda d, given: 1 / d if given is None else given)(query, key, value, causal, scale)


def mistake_given_scale_ignored(query, key, value, causal=False, scale=None):
    """A scale that is given is used instead of 1 / sqrt(d): you ignore it."""
    return _given(scale=lambda d, given: d**-0.5)(query, key, value, causal, scale)


def mistake_given_scale_besides(query, key, value, causal=False, scale=None):
    """A scale that is given is used instead of 1 / sqrt(d), not besides."""
    return _given(scale=lambda d, given: d**-0.5 * (1 if given is None else given))(query, key, value, causal, scale)


def mistake_all_heads_as_one(query, key, value, causal=False, scale=None):
    """The heads look as one: each head has scores of its own, from its own d numbers."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = np.repeat(np.einsum("bnhd,bmhd->bnm", query, key)[:, None], query.shape[2], axis=1) * scale
    scores = np.where(np.tri(scores.shape[2], dtype=bool), scores, -np.inf) if causal else scores
    weights, logsumexp = _softmax(scores, scores.max(axis=-1, keepdims=True))
    return _mix(weights, value), logsumexp


def mistake_softmax_over_queries(query, key, value, causal=False, scale=None):
    """The weights of a key over all queries sum to 1: it must be those of a query over all keys."""

    def over_queries(scores, top):
        raised = np.exp(scores - scores.max(axis=2, keepdims=True))
        return raised / raised.sum(axis=2, keepdims=True), _softmax(scores, top)[1]

    return _given(weights_of=over_queries)(query, key, value, causal, scale)


def mistake_not_causal(query, key, value, causal=False, scale=None):
    """With causal=True a query must not see the keys that come after it: yours sees all."""
    return _given(causal=False)(query, key, value, causal, scale)


def mistake_causal_transposed(query, key, value, causal=False, scale=None):
    """Your mask is transposed: query n sees the keys up to n, not those from n on."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = np.einsum("bnhd,bmhd->bhnm", query, key) * query.dtype.type(scale)
    scores = np.where(np.tri(scores.shape[2], dtype=bool).T, scores, -np.inf) if causal else scores
    weights, logsumexp = _softmax(scores, scores.max(axis=-1, keepdims=True))
    return _mix(weights, value), logsumexp


def mistake_overflow(query, key, value, causal=False, scale=None):
    """Large scores overflow: take the largest of each row away before the exponential."""

    def unshifted(scores, top):
        raised = np.exp(scores)
        total = raised.sum(axis=-1, keepdims=True)
        return raised / total, np.log(total)[..., 0]

    return _given(weights_of=unshifted)(query, key, value, causal, scale)


def mistake_largest_forgotten(query, key, value, causal=False, scale=None):
    """The output is right; the logsumexp lacks the largest score, which you had taken away and must add again."""

    def without_the_largest(scores, top):
        raised = np.exp(scores - top)
        total = raised.sum(axis=-1, keepdims=True)
        return raised / total, np.log(total)[..., 0]

    return _given(weights_of=without_the_largest)(query, key, value, causal, scale)


def mistake_not_divided(query, key, value, causal=False, scale=None):
    """The weights do not sum to 1: the division by the row's sum is missing."""

    def undivided(scores, top):
        return np.exp(scores - top), _softmax(scores, top)[1]

    return _given(weights_of=undivided)(query, key, value, causal, scale)


def mistake_heads_and_tokens_exchanged(query, key, value, causal=False, scale=None):
    """The output's axes are (B, N, h, d): yours has the heads before the tokens."""
    out, logsumexp = _given()(query, key, value, causal, scale)
    return out.transpose(0, 2, 1, 3), logsumexp


def right_loops(query, key, value, causal=False, scale=None):
    (B, N, heads, d), M = query.shape, key.shape[1]
    factor = scale if scale is not None else 1 / np.sqrt(d)
    out, logsumexp = np.zeros_like(query), np.zeros((B, heads, N), query.dtype)
    for b in range(B):
        for head in range(heads):
            for n in range(N):
                seen = n + 1 if causal else M
                scores = [factor * float(query[b, n, head] @ key[b, m, head]) for m in range(seen)]
                top = max(scores)
                denominator = sum(np.exp(s - top) for s in scores)
                logsumexp[b, head, n] = top + np.log(denominator)
                for m in range(seen):
                    out[b, n, head] += np.exp(scores[m] - top) / denominator * value[b, m, head]
    return out, logsumexp


def right_matrices(query, key, value, causal=False, scale=None):
    q, k, v = (array.transpose(0, 2, 1, 3) for array in (query, key, value))
    s = q @ k.transpose(0, 1, 3, 2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        s = s + np.triu(np.full(s.shape[-2:], -np.inf), k=1)
    top = s.max(-1, keepdims=True)
    p = np.exp(s - top)
    total = p.sum(-1, keepdims=True)
    return [(p / total @ v).transpose(0, 2, 1, 3), (top + np.log(total)).squeeze(-1)]
