"""How far a latent's distribution is from N(0, 1)

The encoder says of every latent number a mean $\\mu$ and the logarithm of a variance, $\\log\\sigma^2$. The
Kullback-Leibler divergence of that normal distribution from the standard one has a closed form, which the chapter
derives:

$$\\mathrm{KL} = -\\tfrac12 \\sum \\left(1 + \\log\\sigma^2 - \\mu^2 - \\sigma^2\\right)$$

Sum it over all latents of a picture, and take the mean over the pictures, the first axis. Any number of axes may
follow.
"""

import numpy as np

from minisd.autograd import Tensor
from minisd.ops import kl_divergence as on_tensors

POINTS, MINUTES = 2, 15
HINTS = (
    "What is the divergence of a latent with mean 0 and log-variance 0? Your formula must give 0 there.",
    "The network gives the logarithm of the variance; the variance itself is its exponential.",
    "Sum everything, and divide by the number of pictures, which is mean.shape[0].",
)


def kl_divergence(mean, log_variance):
    """One number, in nats a picture; both arrays have the pictures along their first axis."""
    return on_tensors(Tensor(mean), Tensor(log_variance)).item()


def cases(rng, dtype):
    for shape in ((1, 1), (3, 1), (5, 2, 3), (4, 7, 7, 4), (2, 3, 5, 2)):
        mean, log_variance = rng.standard_normal((2, *shape))
        yield mean.astype(dtype), (0.8 * log_variance - 1.5).astype(dtype)
    yield np.full((2, 3), 1.5, dtype), np.zeros((2, 3), dtype)
    yield np.zeros((3, 4), dtype), np.full((3, 4), -33.0, dtype)
    yield np.zeros((2, 2), dtype), np.full((2, 2), 4.0, dtype)
    yield np.zeros((2, 1), dtype), np.full((2, 1), 22.0, dtype)


def mistake_mean_of_all(mean, log_variance):
    """You take the mean over all numbers: the latents of a picture are summed, only pictures are averaged."""
    return -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).mean()


def mistake_sum_of_all(mean, log_variance):
    """You sum over the pictures, too: divide by their number."""
    return -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum()


def mistake_sign(mean, log_variance):
    """Yours is negative, and a divergence never is: the sum has a minus before it."""
    return 0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum() / len(mean)


def mistake_no_half(mean, log_variance):
    """Twice what is wanted: the half before the sum comes from the half in the normal distribution's exponent."""
    return -(1 + log_variance - mean**2 - np.exp(log_variance)).sum() / len(mean)


def mistake_log_deviation(mean, log_variance):
    """You read the input as the logarithm of the deviation: it is the logarithm of the variance, exp gives sigma^2."""
    return -0.5 * (1 + 2 * log_variance - mean**2 - np.exp(2 * log_variance)).sum() / len(mean)


def mistake_variance_given(mean, log_variance):
    """You use the log-variance where the variance belongs: sigma^2 = exp(log_variance)."""
    return -0.5 * (1 + log_variance - mean**2 - log_variance).sum() / len(mean)


def mistake_no_one(mean, log_variance):
    """A latent that is N(0, 1) already must cost 0: with yours it does not, the 1 is missing."""
    return -0.5 * (log_variance - mean**2 - np.exp(log_variance)).sum() / len(mean)


def mistake_mean_not_squared(mean, log_variance):
    """The mean enters squared: it counts how far it is from 0, not in which direction."""
    return -0.5 * (1 + log_variance - mean - np.exp(log_variance)).sum() / len(mean)


def mistake_turned_round(mean, log_variance):
    """That is the divergence the other way round, of N(0, 1) from the encoder's distribution: the two are not alike."""
    variance = np.exp(log_variance)
    return 0.5 * ((1 + mean**2) / variance + log_variance - 1).sum() / len(mean)


def right_loops(mean, log_variance):
    total = 0.0
    for m, v in zip(mean.ravel().astype(float), log_variance.ravel().astype(float), strict=True):
        total += (m * m + np.exp(v) - v - 1) / 2
    return total / mean.shape[0]


def right_a_picture_at_a_time(mu, logvar):
    sigma = np.exp(logvar / 2)
    each = 0.5 * (mu**2 + sigma**2 - 1) - np.log(sigma)
    return each.sum(axis=tuple(range(1, mu.ndim))).mean()
