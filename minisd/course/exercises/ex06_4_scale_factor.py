"""The number that gives latents variance 1

Diffusion mixes latents with noise of variance 1, so the latents are brought to variance 1 first, by one number for
all of them (Rombach et al. 2022, appendix G): Stable Diffusion's is 0.18215, that of minisd's digits 1.803. Measure it
from an array of latents.
"""

import numpy as np

from minisd.models.vae import scale_factor as measured

POINTS, MINUTES = 1, 5
HINTS = (
    "Multiply numbers by s: what happens to their variance?",
    "It becomes s^2 times as large, and should then be 1.",
    "The variance is measured around the latents' mean, over all numbers at once.",
)


def scale_factor(latents):
    """One number; latents (B, h, w, C)."""
    return measured(latents)


def cases(rng, dtype):
    for shape, centre, deviation in (((2, 1, 1, 1), 0.5, 2.0), ((3, 7, 7, 4), -0.3, 0.55), ((5, 4, 2, 3), 3.0, 5.49)):
        spread = np.linspace(0.5, 1.5, shape[-1])  # channels differ, in spread and in mean
        latents = centre + deviation * spread * rng.standard_normal(shape) + np.arange(shape[-1])
        yield (latents.astype(dtype)[:],)
    yield ((100 + 0.1 * rng.standard_normal((6, 2, 3, 2))).astype(np.float64).astype(dtype),)
    yield (np.array([[[[1.0]]], [[[4.0]]]], dtype),)


def mistake_deviation(latents):
    """That is the latents' deviation: multiplied by it they would spread even more. It is one over that."""
    return latents.std()


def mistake_variance(latents):
    """You divide by the variance: a factor s changes the variance by s^2, so divide by the deviation."""
    return 1 / latents.var()


def mistake_not_centred(latents):
    """You measure the spread around 0: variance is measured around the mean."""
    return 1 / np.sqrt((latents**2).mean())


def mistake_a_channel(latents):
    """You give each channel a factor of its own: one number serves them all."""
    return 1 / latents.std(axis=(0, 1, 2))


def mistake_largest(latents):
    """You bring the largest latent to 1: it is the variance that should become 1."""
    return 1 / np.abs(latents).max()


def mistake_one_degree_less(latents):
    """You divide the squares by one less than their number, as for a sample: here it is just their mean."""
    return 1 / latents.std(ddof=1)


def right_by_hand(latents):
    away = latents.astype(np.float64) - latents.mean(dtype=np.float64)
    return (away.size / (away * away).sum()) ** 0.5


def right_two_moments(z):
    values = z.ravel().astype(np.float64)
    mean = sum(values) / len(values)
    return 1 / np.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
