r"""The loss of a segmentation

For every pixel the network gives a logit for each class; softmax makes probabilities of them. The loss is

$$-\frac{1}{N} \sum_n w_n \, \log p_n(\text{class}_n), \qquad p_n(k) = \frac{e^{z_{n,k}}}{\sum_m e^{z_{n,m}}}$$

over all N pixels of all pictures, with a weight $w_n$ that is large where two cells touch (Ronneberger et al. 2015,
eq. 1). Logits may be large: $e^{1000}$ is infinite, so take each pixel's largest logit off first.
"""

import numpy as np
from minisd_kernels import cross_entropy as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 4, 35
HINTS = (
    "The logarithm of a quotient is a difference: log p = z - log(sum of e^z). Never compute p itself.",
    "Taking the largest logit off changes nothing in the quotient. Pick each pixel's class with np.take_along_axis.",
    "shifted = z - z.max(-1, keepdims=True); log_p = shifted - log(exp(shifted).sum(-1, keepdims=True)); the mean of "
    "-w * log_p[class] over all pixels.",
)


def pixel_cross_entropy(logits, classes, weight):
    """The loss, one number; shapes logits (B, H, W, K), classes (B, H, W) whole numbers, weight (B, H, W)."""
    K = logits.shape[-1]
    with use_backend("numpy"):
        return float(library.forward(logits.reshape(-1, K), classes.reshape(-1), weight.reshape(-1)))


def cases(rng, dtype):
    for shape, scale in (
        ((1, 2, 3, 2), 1),
        ((2, 4, 3, 3), 2),
        ((3, 3, 5, 2), 1),
        ((2, 3, 3, 4), 1),
        ((2, 2, 2, 3), 2000),
    ):
        logits = (scale * rng.standard_normal(shape)).astype(dtype)
        yield logits, rng.integers(0, shape[-1], shape[:3]), rng.uniform(0.5, 3, shape[:3]).astype(dtype)
    yield np.full((1, 1, 2, 2), 1000, dtype), np.array([[[0, 1]]]), np.ones((1, 1, 2), dtype)


def _losses(logits, classes):
    """(B, H, W)"""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_p, classes[..., None], axis=-1)[..., 0]


def mistake_overflow(logits, classes, weight):
    """e^1000 is infinite: take each pixel's largest logit off before the exponentials."""
    with np.errstate(all="ignore"):
        powers = np.exp(logits)
        p = np.take_along_axis(powers / powers.sum(-1, keepdims=True), classes[..., None], -1)[..., 0]
        return float(-(weight * np.log(p)).mean())


def mistake_unweighted(logits, classes, weight):
    """Each pixel's term is multiplied by its weight."""
    return float(_losses(logits, classes).mean())


def mistake_summed(logits, classes, weight):
    """The terms are averaged over all pixels, not summed."""
    return float((weight * _losses(logits, classes)).sum())


def mistake_divided_by_the_weights(logits, classes, weight):
    """The sum is divided by the number of pixels, not by the sum of the weights."""
    return float((weight * _losses(logits, classes)).sum() / weight.sum())


def mistake_sign(logits, classes, weight):
    """A loss falls as the network gets better: the minus sign is missing."""
    return -pixel_cross_entropy(logits, classes, weight)


def mistake_probability_instead_of_log(logits, classes, weight):
    """The logarithm of the probability is wanted, not the probability."""
    return float(-(weight * np.exp(-_losses(logits, classes))).mean())


def mistake_base_two(logits, classes, weight):
    """The natural logarithm is meant, not the one to base 2."""
    return float((weight * _losses(logits, classes)).mean() / np.log(2))


def mistake_over_the_batch(logits, classes, weight):
    """Divide by the number of all pixels, not of all pictures."""
    return float((weight * _losses(logits, classes)).sum() / len(logits))


def right_one_by_one(z, k, w):
    terms = []
    for place in np.ndindex(*k.shape):
        row = z[place].astype(np.float64)
        top = row.max()
        terms.append(w[place] * (top + np.log(sum(np.exp(row - top))) - row[k[place]]))
    return sum(terms) / len(terms)


def right_logaddexp(logits, classes, weight):
    total = np.logaddexp.reduce(logits.astype(np.float64), axis=-1)
    chosen = (np.eye(logits.shape[-1])[classes] * logits).sum(-1)
    return np.average(weight * (total - chosen))
