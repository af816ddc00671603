"""A norm that a condition scales and shifts

A layer norm gives every token the mean 0 and the variance 1 over its D numbers, and then scales and shifts them by
numbers that are learned, the same for all tokens of all samples. In a diffusion transformer these are not learned: the
time and the prompt say them, for each sample anew (Peebles & Xie 2023, section 3.2). With $\\hat x$ for a token less
its mean, divided by $\\sqrt{\\mathrm{variance} + \\mathrm{eps}}$,

$$y = (1 + \\mathrm{scale})\\; \\hat x + \\mathrm{shift}$$

so that a condition that says 0 leaves the plain norm. Shapes: `x` (B, N, D), `shift` and `scale` (B, D): all tokens of
a sample share them. The variance is the mean of the squares, $\\frac{1}{D} \\sum (x - \\mathrm{mean})^2$.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "Mean and variance are taken over which axis? A token must not know of the others.",
    "Over the last axis, kept, so that they can be taken away and divided by. Shift and scale have no axis for the "
    "tokens: give them one.",
    "shift[:, None] and scale[:, None] are (B, 1, D); multiply by 1 + scale first, add the shift then.",
)


def modulate(x, shift, scale, eps=1e-6):
    """The normalised tokens, scaled and shifted, (B, N, D)."""
    off = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((off**2).mean(axis=-1, keepdims=True) + eps)
    return (1 + scale[:, None]) * off / deviation + shift[:, None]


def cases(rng, dtype):
    for B, N, D in ((1, 1, 4), (2, 3, 5), (3, 3, 6), (2, 5, 4), (4, 2, 8)):
        x = 3 + 2 * rng.standard_normal((B, N, D))
        yield x.astype(dtype), *rng.standard_normal((2, B, D)).astype(dtype)
    x, (shift, scale) = rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 2, 3))
    yield x.astype(dtype), shift.astype(dtype), scale.astype(dtype), 0.1
    yield x.astype(dtype), 0 * shift.astype(dtype), 0 * scale.astype(dtype)


def _hat(x, eps=1e-6, axis=-1, ddof=0):
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True, ddof=ddof) + eps)


def mistake_scale_alone(x, shift, scale, eps=1e-6):
    """The scale is counted from 1: where the condition says 0 your tokens vanish, and with them all that they know."""
    return scale[:, None] * _hat(x, eps) + shift[:, None]


def mistake_no_norm(x, shift, scale, eps=1e-6):
    """The norm is missing: tokens are brought to mean 0 and variance 1 first."""
    return (1 + scale[:, None]) * x + shift[:, None]


def mistake_exchanged(x, shift, scale, eps=1e-6):
    """You scale by the shift and shift by the scale; they come in the order shift, scale."""
    return modulate(x, scale, shift, eps)


def mistake_shifted_first(x, shift, scale, eps=1e-6):
    """Scale first, then shift: you scale the shift as well."""
    return (1 + scale[:, None]) * (_hat(x, eps) + shift[:, None])


def mistake_over_the_tokens(x, shift, scale, eps=1e-6):
    """Mean and variance are each token's own, over its D numbers: you take them over the tokens."""
    return (1 + scale[:, None]) * _hat(x, eps, axis=1) + shift[:, None]


def mistake_over_the_sample(x, shift, scale, eps=1e-6):
    """Mean and variance are each token's own: you take them over all tokens of a sample."""
    return (1 + scale[:, None]) * _hat(x, eps, axis=(1, 2)) + shift[:, None]


def mistake_not_shaped(x, shift, scale, eps=1e-6):
    """Shift and scale belong to a sample: shape them to (B, 1, D), or NumPy takes B for the tokens."""
    return (1 + scale) * _hat(x, eps) + shift


def mistake_unbiased(x, shift, scale, eps=1e-6):
    """The variance is the sum of the squares divided by D, not by D - 1."""
    return (1 + scale[:, None]) * _hat(x, eps, ddof=1) + shift[:, None]


def mistake_mean_left(x, shift, scale, eps=1e-6):
    """The mean is not taken away: you divide by the deviation alone."""
    return (1 + scale[:, None]) * x / np.sqrt(x.var(axis=-1, keepdims=True) + eps) + shift[:, None]


def mistake_variance(x, shift, scale, eps=1e-6):
    """You divide by the variance: its root is the deviation."""
    off = x - x.mean(axis=-1, keepdims=True)
    return (1 + scale[:, None]) * off / (x.var(axis=-1, keepdims=True) + eps) + shift[:, None]


def mistake_eps_ignored(x, shift, scale, eps=1e-6):
    """eps is given, and stands under the root with the variance: you leave it out, or use another."""
    return (1 + scale[:, None]) * _hat(x, 0) + shift[:, None]


def mistake_eps_outside(x, shift, scale, eps=1e-6):
    """eps is added to the variance, under the root: you add it to the deviation."""
    off = x - x.mean(axis=-1, keepdims=True)
    return (1 + scale[:, None]) * off / (x.std(axis=-1, keepdims=True) + eps) + shift[:, None]


def mistake_norm_last(x, shift, scale, eps=1e-6):
    """The norm comes first: normalised after it, a scale and a shift are partly taken away again."""
    return _hat((1 + scale[:, None]) * x + shift[:, None], eps)


def right_loops(x, shift, scale, eps=1e-6):
    y = np.zeros_like(x)
    for b, tokens in enumerate(x):
        for n, token in enumerate(tokens):
            mean = token.sum() / len(token)
            variance = ((token - mean) ** 2).sum() / len(token)
            y[b, n] = (token - mean) / (variance + eps) ** 0.5 * (1 + scale[b]) + shift[b]
    return y


def right_einsum(x, shift, scale, eps=1e-6):
    hat = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
    return hat + np.einsum("bnd,bd->bnd", hat, scale) + np.expand_dims(shift, 1)
