"""From a level back to a noisier one

To go a stretch of the way once more, RePaint adds noise: from $x = \\alpha x_0 + \\sigma \\varepsilon$ at one level
to $\\alpha' x_0 + \\sigma' \\varepsilon'$ at a noisier one. Nobody knows $x_0$ here, but two numbers do it: multiply
$x$ by one, add fresh noise times the other,

$$x' = a\\, x + b\\, z, \\qquad z \\sim N(0, 1)$$

so that the part of $x_0$ becomes $\\alpha' x_0$, and the variances of the old noise, times $a$, and of the fresh one
add up to $\\sigma'^2$. Find both, and write the step. It must serve every schedule: $\\alpha^2 + \\sigma^2$ is 1 for
Stable Diffusion, and $\\alpha + \\sigma$ for flow matching.
"""

import math

import numpy as np

from minisd.diffusion.inpainting import back_up as library
from minisd.diffusion.schedule import NoiseLevel

POINTS, MINUTES = 2, 20
GIVEN = ("np", "math", "NoiseLevel")
HINTS = (
    "What must x be multiplied by, so that alpha x_0 becomes alpha' x_0? That is a.",
    "Independent noises add up by their variances: (a sigma)^2 of the old, b^2 of the fresh one.",
    "a is high.alpha / low.alpha; b = math.sqrt(high.sigma**2 - (a * low.sigma) ** 2).",
)


def back_up(x, low, high, noise):
    """x at the noisier level: from low to high, each with its .alpha and .sigma, by the fresh noise, shaped as x."""
    return library(x, low, high, noise)


def cases(rng, dtype):
    for low, high in (
        ((200, 0.96, 0.28), (500, 0.6, 0.8)),
        ((300, 0.8, 0.6), (900, 0.28, 0.96)),
        ((-1, 1.0, 0.0), (500, 0.6, 0.8)),  # from the clean picture
        ((99, 0.9, 0.1), (399, 0.6, 0.4)),  # flow matching
        ((399, 0.6, 0.4), (899, 0.1, 0.9)),
        ((499, 0.5, 0.5), (999, 0.0, 1.0)),  # to noise alone
        ((10, 1.0, 0.5), (20, 1.0, 2.0)),  # the picture does not fade, as Karras et al. have it
    ):
        x, noise = rng.standard_normal((2, 2, 2, 3, 2)).astype(dtype)
        yield x, low, high, noise


def probe(back_up, x, low, high, noise):
    return back_up(x, NoiseLevel(*low), NoiseLevel(*high), noise)


def mistake_keeps_the_variance(x, low, high, noise):
    """b = sqrt(1 - a^2) holds only where alpha^2 + sigma^2 = 1: take the variances as they are."""
    a = high.alpha / low.alpha
    return a * x + math.sqrt(1 - a**2) * noise


def mistake_as_if_clean(x, low, high, noise):
    """x is no clean picture: it has faded to alpha already, and has noise of its own."""
    return high.alpha * x + high.sigma * noise


def mistake_all_the_noise(x, low, high, noise):
    """x brings noise of its own, which counts: less is needed than sigma' of fresh noise."""
    return high.alpha / low.alpha * x + high.sigma * noise


def mistake_not_faded(x, low, high, noise):
    """The picture fades on the way back up: multiply x by alpha' / alpha."""
    return x + math.sqrt(high.sigma**2 - low.sigma**2) * noise


def mistake_old_noise_not_faded(x, low, high, noise):
    """The old noise fades with the picture: (a sigma)^2 is left of its variance, not sigma^2."""
    return high.alpha / low.alpha * x + math.sqrt(high.sigma**2 - low.sigma**2) * noise


def mistake_deviations(x, low, high, noise):
    """Independent noises add up by their variances, not by their deviations: subtract squares, and take the root."""
    a = high.alpha / low.alpha
    return a * x + (high.sigma - a * low.sigma) * noise


def mistake_no_root(x, low, high, noise):
    """That is the variance of the fresh noise: take its root."""
    a = high.alpha / low.alpha
    return a * x + (high.sigma**2 - (a * low.sigma) ** 2) * noise


def mistake_share_of_sigma(x, low, high, noise):
    """a leads from alpha to alpha': it is their ratio, not the sigmas'."""
    a = low.sigma / high.sigma
    return a * x + math.sqrt(max(0.0, high.sigma**2 - (a * low.sigma) ** 2)) * noise


def right_by_the_variance(x, low, high, noise):
    (_, alpha, sigma), (_, alpha_2, sigma_2) = low, high
    old = (alpha_2 * sigma / alpha) ** 2
    return alpha_2 * x / alpha + (sigma_2**2 - old) ** 0.5 * noise


def right_in_one_array(x, low, high, noise):
    result = np.array(x)
    result *= high.alpha / low.alpha
    result += noise * float(np.sqrt(high.sigma**2 - (high.alpha / low.alpha) ** 2 * low.sigma**2))
    return result
