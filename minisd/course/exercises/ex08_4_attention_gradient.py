"""The gradient of attention

A day's work, and worth it: with this and 08.3 a transformer can be trained. Attention's steps for one sample and head,
backwards:

$$S = \\mathrm{scale}\\;Q K^T, \\qquad P = \\mathrm{softmax}(S), \\qquad O = P V$$

The gradient by O comes in, as `grad_y`. Work out, on paper and in this order, what goes to V, to P, through the softmax
to S, and from S to Q and K. The softmax is the step to take care of: every weight of a row depends
on every score of it.

The forward pass has kept `out` and `logsumexp` (see 08.3): $P = e^{S - L}$ is made again from them, as the library
does; N x M numbers that are made twice need not be kept.

Shapes: `query`, `out` and `grad_y` (B, N, h, d); `key` and `value` (B, M, h, d); `logsumexp` (B, h, N).
"""

import numpy as np
from minisd_kernels.attention import numpy_ref

POINTS, MINUTES = 20, 360
HINTS = (
    "Check each step by itself against central differences, first with B = h = 1. Begin with V: O is linear in it.",
    "Softmax: dS = P (dP - r), where r, one number a row, is the sum over m of P dP. It is also the sum of grad_y out.",
    "Q meets K's rows: dQ = dS K and dK = dS^T Q, both times the scale. einsum letters: b, h, n, m, d.",
)


def attention_backward(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """(grad_query, grad_key, grad_value), shaped as query, key and value."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return numpy_ref.backward(grad_y, query, key, value, out, logsumexp, scale, causal)


def cases(rng, dtype):
    def arrays(B, N, M, h, d, causal=False, scale=None, shift=0):
        query, key, value = (rng.standard_normal((B, length, h, d)).astype(dtype) for length in (N, M, M))
        if shift:  # adds as much to all the scores of a row, which changes no weight
            query[..., 0], key[..., 0] = shift, 1
        used = d**-0.5 if scale is None else scale
        out, logsumexp = numpy_ref.forward(query, key, value, used, causal)
        grad_y = rng.standard_normal((B, N, h, d)).astype(dtype)
        return grad_y, query, key, value, out, logsumexp

    yield arrays(1, 1, 1, 1, 1)
    yield arrays(1, 3, 4, 1, 2)
    yield arrays(2, 3, 5, 2, 4)
    yield arrays(3, 2, 2, 2, 2)
    yield *arrays(2, 4, 4, 3, 5, True), True
    yield *arrays(2, 3, 3, 3, 3, True, 0.3), True, 0.3
    yield *arrays(1, 2, 3, 2, 4, False, 1.7), False, 1.7
    yield arrays(1, 3, 4, 2, 8, shift=2400)  # scores near 850: their exponentials overflow


def _steps(arrays, causal, scale, *, row_sums=True, softmax=True, scaled=(True, True), masked=True, default=None):
    """The gradient with steps left out; dS, P and the arrays' letters are those of the statement."""
    grad_y, query, key, value, out, logsumexp = arrays
    d = query.shape[-1]
    scale = (d**-0.5 if default is None else default) if scale is None else scale
    scores = np.einsum("bnhd,bmhd->bhnm", query, key) * scale
    if causal and masked:
        scores = np.where(np.tri(scores.shape[2], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - logsumexp[..., None])
    grad_value = np.einsum("bhnm,bnhd->bmhd", weights, grad_y)
    grad_weights = np.einsum("bnhd,bmhd->bhnm", grad_y, value)
    r = np.einsum("bnhd,bnhd->bhn", grad_y, out)[..., None] if row_sums else 0
    grad_scores = weights * (grad_weights - r) if softmax else grad_weights
    for_query, for_key = (scale if by else 1 for by in scaled)
    return (
        for_query * np.einsum("bhnm,bmhd->bnhd", grad_scores, key),
        for_key * np.einsum("bhnm,bnhd->bmhd", grad_scores, query),
        grad_value,
    )


def mistake_no_row_sums(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """Through the softmax you passed P dP: every weight depends on every score of its row, so r is taken from dP."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, scale, row_sums=False)


def mistake_softmax_skipped(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """You went from the weights to the scores as if the softmax were not there."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, scale, softmax=False)


def mistake_scale_of_both(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """The scale is missing from the gradients for query and key: the scores were multiplied by it."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, scale, scaled=(False, False))


def mistake_scale_of_key(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """The scale is in the gradient for the query; the one for the key has it, too."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, scale, scaled=(True, False))


def mistake_given_scale_ignored(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """A scale that is given is used instead of 1 / sqrt(d): you ignore it."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, None)


def mistake_default_scale(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """The scale is 1 / sqrt(d) where none is given: you took 1."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, scale, default=1.0)


def mistake_not_causal(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """The scores are made again without the mask: hidden keys get a gradient, and they had no part in the output."""
    return _steps((grad_y, query, key, value, out, logsumexp), causal, scale, masked=False)


def mistake_key_and_query_exchanged(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """They come back in the order query, key, value: yours has key first."""
    grad_query, grad_key, grad_value = _steps((grad_y, query, key, value, out, logsumexp), causal, scale)
    return grad_key, grad_query, grad_value


def mistake_row_sums_without_weights(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """r is the sum of dP weighted by P: you took the plain mean of dP over the keys."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = np.einsum("bnhd,bmhd->bhnm", query, key) * scale
    scores = np.where(np.tri(scores.shape[2], dtype=bool), scores, -np.inf) if causal else scores
    weights = np.exp(scores - logsumexp[..., None])
    dp = np.einsum("bnhd,bmhd->bhnm", grad_y, value)
    ds = weights * (dp - dp.mean(axis=-1, keepdims=True)) * scale
    return (
        np.einsum("bhnm,bmhd->bnhd", ds, key),
        np.einsum("bhnm,bnhd->bmhd", ds, query),
        np.einsum("bhnm,bnhd->bmhd", weights, grad_y),
    )


def mistake_value_unweighted(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    """A value's gradient is what its readers got, each by the weight it read with: you used dP instead of P."""
    grad_query, grad_key, _ = _steps((grad_y, query, key, value, out, logsumexp), causal, scale)
    dp = np.einsum("bnhd,bmhd->bhnm", grad_y, value)
    return grad_query, grad_key, np.einsum("bhnm,bnhd->bmhd", dp, grad_y)


def right_loops(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    (B, N, heads, d), M = query.shape, key.shape[1]
    factor = 1 / np.sqrt(d) if scale is None else scale
    grads = [np.zeros(array.shape) for array in (query, key, value)]
    for b, head, n in np.ndindex(B, heads, N):
        r = (grad_y[b, n, head] * out[b, n, head]).sum()
        for m in range(n + 1 if causal else M):
            p = np.exp(factor * (query[b, n, head] @ key[b, m, head]) - logsumexp[b, head, n])
            ds = factor * p * (grad_y[b, n, head] @ value[b, m, head] - r)
            grads[0][b, n, head] += ds * key[b, m, head]
            grads[1][b, m, head] += ds * query[b, n, head]
            grads[2][b, m, head] += p * grad_y[b, n, head]
    return grads


def right_weights_from_scratch(grad_y, query, key, value, out, logsumexp, causal=False, scale=None):
    g, q, k, v = (array.transpose(0, 2, 1, 3) for array in (grad_y, query, key, value))
    c = q.shape[-1] ** -0.5 if scale is None else scale
    s = c * q @ k.swapaxes(-1, -2)
    if causal:
        s[..., ~np.tri(s.shape[-1], dtype=bool)] = -np.inf
    p = np.exp(s - s.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    dp = g @ v.swapaxes(-1, -2)
    ds = c * p * (dp - (p * dp).sum(-1, keepdims=True))
    back = (ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g)
    return tuple(array.transpose(0, 2, 1, 3) for array in back)
