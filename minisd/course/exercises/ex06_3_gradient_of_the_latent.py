"""What the encoder learns from: the gradient through a random draw

The VAE's loss for a batch of B pictures depends on the encoder's output in two ways: through the latents

$$z = \\mu + e^{\\ell/2}\\,\\mathrm{noise}, \\qquad \\ell = \\log\\sigma^2,$$

which the decoder makes pictures of, and through the divergence, which enters with a weight $w$:

$$\\mathrm{loss} = R(z) + w\\,\\mathrm{KL}, \\qquad
\\mathrm{KL} = -\\frac{1}{2B}\\sum (1 + \\ell - \\mu^2 - e^\\ell)$$

The decoder has sent back `grad_z`, which is $\\partial R / \\partial z$. Work out the loss's derivatives by $\\mu$ and
by $\\ell$ on paper, then write them down.
"""

import numpy as np

from minisd.autograd import Tensor
from minisd.models.vae import reparameterise
from minisd.ops import kl_divergence

POINTS, MINUTES = 4, 30
HINTS = (
    "Each is a sum of two: what comes through z, and what comes from the KL. Start with kl_weight = 0.",
    "dz/dmu = 1. And z depends on the log-variance through exp(log_variance / 2): what is that one's derivative?",
    "From the KL come mu / B and (exp(log_variance) - 1) / (2B), each times the weight.",
)


def encoder_gradients(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """(grad_mean, grad_log_variance), shaped as all the arrays: (B, ...)."""
    mean, log_variance = Tensor(mean, requires_grad=True), Tensor(log_variance, requires_grad=True)
    z = reparameterise(mean, log_variance, noise)
    ((z * Tensor(grad_z)).sum() + kl_divergence(mean, log_variance) * kl_weight).backward()
    return mean.grad, log_variance.grad


def cases(rng, dtype):
    for shape, weight in (((1, 1), 0.0), ((3, 2), 0.0), ((3, 4), 1.0), ((4, 3, 2, 2), 0.3), ((2, 5, 1, 3), 1e-1)):
        grad_z, mean, log_variance, noise = rng.standard_normal((4, *shape)).astype(dtype)
        yield grad_z, mean, log_variance - dtype(0.7), noise, weight
    yield (
        np.zeros((2, 3), dtype),
        np.full((2, 3), 2.0, dtype),
        np.full((2, 3), -8.0, dtype),
        np.ones((2, 3), dtype),
        2.0,
    )


def mistake_no_half(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """The gradient for the log-variance lacks a factor 1/2: the chain rule meets it in the exponent of exp(l / 2)."""
    deviation, B = np.exp(log_variance / 2), len(mean)
    return (
        grad_z + kl_weight * mean / B,
        grad_z * noise * deviation + kl_weight * (deviation**2 - 1) / (2 * B),
    )


def mistake_no_noise(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """The log-variance moves z by the noise it is multiplied with: the noise is missing from its gradient."""
    deviation, B = np.exp(log_variance / 2), len(mean)
    return grad_z + kl_weight * mean / B, grad_z * deviation / 2 + kl_weight * (deviation**2 - 1) / (2 * B)


def mistake_noise_for_the_mean(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """dz/dmu = 1: the gradient passes to the mean as it is, without the noise."""
    deviation, B = np.exp(log_variance / 2), len(mean)
    return (
        grad_z * noise + kl_weight * mean / B,
        grad_z * noise * deviation / 2 + kl_weight * (deviation**2 - 1) / (2 * B),
    )


def mistake_of_the_deviation(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """Your second one is the gradient for sigma: the encoder gives its log-variance, so one factor is missing."""
    deviation, B = np.exp(log_variance / 2), len(mean)
    return grad_z + kl_weight * mean / B, grad_z * noise + kl_weight * (deviation - 1 / deviation) / B


def mistake_no_kl(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """The divergence has a gradient, too: nothing pulls your latents towards N(0, 1)."""
    return grad_z, grad_z * noise * np.exp(log_variance / 2) / 2


def mistake_not_averaged(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """The divergence is a mean over the B pictures of the batch: its gradient has a 1/B."""
    deviation = np.exp(log_variance / 2)
    return grad_z + kl_weight * mean, grad_z * noise * deviation / 2 + kl_weight * (deviation**2 - 1) / 2


def mistake_kl_sign(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """The divergence's gradient has the wrong sign: yours drives the means away from 0."""
    deviation, B = np.exp(log_variance / 2), len(mean)
    return (
        grad_z - kl_weight * mean / B,
        grad_z * noise * deviation / 2 - kl_weight * (deviation**2 - 1) / (2 * B),
    )


def mistake_kl_weighted_everything(grad_z, mean, log_variance, noise, kl_weight=0.0):
    """The weight belongs to the divergence alone: what comes from the decoder is not multiplied by it."""
    deviation, B = np.exp(log_variance / 2), len(mean)
    return (
        kl_weight * (grad_z + mean / B),
        kl_weight * (grad_z * noise * deviation / 2 + (deviation**2 - 1) / (2 * B)),
    )


def right_through_z(grad_z, mean, log_variance, noise, kl_weight=0.0):
    z = mean + np.exp(0.5 * log_variance) * noise
    from_kl = kl_weight / len(mean)
    return grad_z + from_kl * mean, 0.5 * (grad_z * (z - mean) + from_kl * (np.exp(log_variance) - 1))


def right_loop(g, mu, logvar, e, kl_weight=0.0):
    grad_mu, grad_logvar = g.copy(), np.zeros_like(g)
    for i in np.ndindex(g.shape):
        grad_mu[i] += kl_weight * mu[i] / g.shape[0]
        grad_logvar[i] = g[i] * e[i] * np.exp(logvar[i] / 2) / 2
        grad_logvar[i] += kl_weight * (np.exp(logvar[i]) - 1) / 2 / g.shape[0]
    return [grad_mu, grad_logvar]
