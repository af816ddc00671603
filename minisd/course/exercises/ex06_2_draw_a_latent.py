"""Draw a latent, so that gradients can pass

Numbers with mean $\\mu$ and variance $\\sigma^2$ are wanted. Drawn by a random generator they would be constants to the
tape, and the encoder would learn nothing. So the randomness comes from outside, as `noise` from N(0, 1), and the rest
is arithmetic (Kingma and Welling 2014, section 2.4):

$$z = \\mu + \\sigma \\cdot \\mathrm{noise}$$

The encoder gives $\\log\\sigma^2$.
"""

import numpy as np

from minisd.autograd import Tensor
from minisd.models.vae import reparameterise

POINTS, MINUTES = 1, 5
HINTS = (
    "The noise has deviation 1. By what must it be multiplied to have deviation sigma?",
    "log sigma = (log sigma^2) / 2.",
    "The deviation is the exponential of half the log-variance.",
)


def draw_latent(mean, log_variance, noise):
    """z, with the shape of all three."""
    return reparameterise(Tensor(mean), Tensor(log_variance), noise).data


def cases(rng, dtype):
    for shape in ((1,), (2, 3), (3, 7, 7, 4), (5, 1, 2)):
        mean, log_variance, noise = rng.standard_normal((3, *shape))
        yield mean.astype(dtype), (2 * log_variance - 1).astype(dtype), noise.astype(dtype)
    yield np.full((2, 2), -3.0, dtype), np.full((2, 2), -30.0, dtype), np.full((2, 2), 2.0, dtype)
    yield np.zeros((2, 2), dtype), np.full((2, 2), -30.0, dtype), np.full((2, 2), 2.0, dtype)
    yield np.zeros((2, 3), dtype), np.full((2, 3), 25.0, dtype), np.full((2, 3), -0.5, dtype)


def mistake_variance(mean, log_variance, noise):
    """You multiply the noise by the variance: the deviation is its square root."""
    return mean + np.exp(log_variance) * noise


def mistake_log_variance(mean, log_variance, noise):
    """You multiply by the log-variance as it comes: it is a logarithm, and can be negative."""
    return mean + log_variance * noise


def mistake_no_exponential(mean, log_variance, noise):
    """You halve the log-variance: that is the logarithm of the deviation, its exponential is missing."""
    return mean + log_variance / 2 * noise


def mistake_precision(mean, log_variance, noise):
    """The exponent has the wrong sign: a large variance must move z far from its mean."""
    return mean + np.exp(-log_variance / 2) * noise


def mistake_mean_scaled(mean, log_variance, noise):
    """You scale the mean as well: only the noise is multiplied by the deviation."""
    return (mean + noise) * np.exp(log_variance / 2)


def mistake_no_noise(mean, log_variance, noise):
    """You leave out the noise: this is the mean moved by a deviation, always the same z."""
    return mean + np.exp(log_variance / 2)


def mistake_root_of_logarithm(mean, log_variance, noise):
    """You take the root of a logarithm's size: first the exponential makes a variance of it, then comes the root."""
    return mean + np.sqrt(np.abs(log_variance)) * noise


def right_root(mean, log_variance, noise):
    return mean + np.sqrt(np.exp(log_variance)) * noise


def right_loop(mu, logvar, e):
    z = np.empty_like(mu)
    for place in np.ndindex(mu.shape):
        z[place] = mu[place] + np.exp(0.5 * logvar[place]) * e[place]
    return z
