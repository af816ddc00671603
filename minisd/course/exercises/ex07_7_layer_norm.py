"""Layer normalisation

Before each part of a transformer block every token's vector is brought to mean 0 and variance 1 over its D numbers, and
then scaled and shifted, channel by channel, by numbers that are learned (Ba, Kiros and Hinton 2016):

$$y = \\gamma\\,\\frac{x - \\mathrm{mean}}{\\sqrt{\\mathrm{var} + \\mathrm{eps}}} + \\beta$$

The variance is the mean of the squares of $x - \\mathrm{mean}$. eps keeps a token whose numbers are all equal from a
division by 0.
"""

import numpy as np
from minisd_kernels.layer_norm.numpy_ref import forward

POINTS, MINUTES = 2, 15
HINTS = (
    "Along which axis lies one token's vector? Mean and variance go along that one, and no other.",
    "keepdims=True keeps the axis, with length 1, so that the mean can be taken away from every number.",
    "eps stands under the root, beside the variance; gamma and beta (D,) stretch over all other axes by themselves.",
)


def layer_norm(x, gamma, beta, eps=1e-5):
    """y, shaped as x (..., D); gamma and beta are (D,)."""
    return forward(x.reshape(-1, x.shape[-1]), gamma, beta, eps)[0].reshape(x.shape)


def cases(rng, dtype):
    def parameters(D):
        return (1 + 0.5 * rng.standard_normal(D)).astype(dtype), rng.standard_normal(D).astype(dtype)

    for shape in ((2, 3), (3, 3), (2, 4, 5), (4, 4, 4), (1, 1, 6), (2, 3, 2, 4), (7,)):
        x = 2 * rng.standard_normal(shape) + np.linspace(-3, 3, shape[-1]) + 1
        yield x.astype(dtype), *parameters(shape[-1])
    yield (1e-3 * rng.standard_normal((3, 4))).astype(dtype), *parameters(4)  # variance below eps
    yield (1e-3 * rng.standard_normal((3, 4))).astype(dtype), *parameters(4), 1e-12
    yield rng.standard_normal((2, 3, 5)).astype(dtype), *parameters(5), 0.5
    yield np.full((2, 4), 0.25, dtype), *parameters(4)
    yield rng.standard_normal((3, 1)).astype(dtype), *parameters(1)


def _normed(x, gamma, beta, eps, *, axis=-1, under=True, ddof=0, root=True, centred=True):
    with np.errstate(all="ignore"):
        away = x - x.mean(axis=axis, keepdims=True)
        variance = x.var(axis=axis, keepdims=True, ddof=ddof)
        spread = np.sqrt(variance + eps) if under else np.sqrt(variance) + eps
        return gamma * (away if centred else x) / (spread if root else variance + eps) + beta


def mistake_over_the_tokens(x, gamma, beta, eps=1e-5):
    """Mean and variance go along the tokens: they must go along the last axis, over one token's own numbers."""
    return _normed(x, gamma, beta, eps, axis=-2 if x.ndim > 1 else -1)


def mistake_over_everything(x, gamma, beta, eps=1e-5):
    """One mean and one variance for all tokens: each has its own."""
    return _normed(x, gamma, beta, eps, axis=None)


def mistake_eps_outside(x, gamma, beta, eps=1e-5):
    """eps stands beside the deviation: it belongs under the root, beside the variance."""
    return _normed(x, gamma, beta, eps, under=False)


def mistake_one_degree_less(x, gamma, beta, eps=1e-5):
    """You divide the squares by D - 1: here the variance is their mean, over D."""
    return _normed(x, gamma, beta, eps, ddof=1)


def mistake_no_root(x, gamma, beta, eps=1e-5):
    """You divide by the variance: it takes the deviation, its root, to bring the variance to 1."""
    return _normed(x, gamma, beta, eps, root=False)


def mistake_not_centred(x, gamma, beta, eps=1e-5):
    """The mean is not taken away: y should have mean 0 before gamma and beta come."""
    return _normed(x, gamma, beta, eps, centred=False)


def mistake_no_gamma(x, gamma, beta, eps=1e-5):
    """gamma and beta are not used: each channel is scaled by its gamma and shifted by its beta."""
    return _normed(x, 1, 0, eps)


def mistake_shifted_first(x, gamma, beta, eps=1e-5):
    """First comes gamma, then beta: you scale the shift, too."""
    return gamma * (_normed(x, 1, 0, eps) + beta)


def mistake_eps_forgotten(x, gamma, beta, eps=1e-5):
    """eps is missing: a token whose numbers are all equal would be divided by 0."""
    return _normed(x, gamma, beta, 0)


def mistake_eps_fixed(x, gamma, beta, eps=1e-5):
    """eps is an argument: yours is always 1e-5."""
    return _normed(x, gamma, beta, 1e-5)


def mistake_one_plus_gamma(x, gamma, beta, eps=1e-5):
    """gamma multiplies as it is: you add 1 to it."""
    return _normed(x, 1 + gamma, beta, eps)


def right_token_by_token(x, gamma, beta, eps=1e-5):
    y = np.empty_like(x)
    for token in np.ndindex(x.shape[:-1]):
        numbers = x[token].astype(np.float64)
        mean = sum(numbers) / len(numbers)
        variance = sum((n - mean) ** 2 for n in numbers) / len(numbers)
        for c, n in enumerate(numbers):
            y[(*token, c)] = gamma[c] * (n - mean) / (variance + eps) ** 0.5 + beta[c]
    return y


def right_in_place(x, gamma, beta, eps=1e-5):
    y = x - x.mean(-1)[..., None]
    y /= np.sqrt(np.einsum("...d,...d->...", y, y) / x.shape[-1] + eps)[..., None]
    y *= gamma
    y += beta
    return y
