"""One step back: DDPM

Knowing $x_t$ and $x_0$, the picture one step earlier is normally distributed (Ho et al. 2020, equations 6 and 7).
With $\\bar\\alpha$ of this $t$, $\\bar\\alpha'$ of the one before it, $\\alpha = \\bar\\alpha / \\bar\\alpha'$ and
$\\beta = 1 - \\alpha$ its mean and variance are

$$\\mu = \\frac{\\sqrt{\\bar\\alpha'}\\, \\beta}{1 - \\bar\\alpha}\\, x_0 + \\frac{\\sqrt{\\alpha}\\,
(1 - \\bar\\alpha')}{1 - \\bar\\alpha}\\, x_t,
\\qquad \\tilde\\beta = \\frac{1 - \\bar\\alpha'}{1 - \\bar\\alpha}\\, \\beta$$

Write the step. `noise` was drawn from N(0, 1); $\\bar\\alpha'$ may be 1, where the clean picture is reached.
"""

import math

from minisd.diffusion.samplers.ddpm import ddpm_step as library
from minisd.diffusion.schedule import NoiseLevel

POINTS, MINUTES = 2, 15
GIVEN = ("math",)
HINTS = (
    "The mean first; then noise, stretched to the variance beta_tilde.",
    "Noise of variance 1 gets the variance beta_tilde by a factor. Which?",
    "mean + sqrt(beta_tilde) * noise. In the last step beta_tilde is 0 by itself.",
)


def ddpm_step(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """The picture one step earlier, shaped as x_t."""
    level, level_prev = (NoiseLevel(0, math.sqrt(bar), math.sqrt(1 - bar)) for bar in (alpha_bar, alpha_bar_prev))
    return library(x_t, x_0_pred, noise, level, level_prev)


def cases(rng, dtype):
    for low, high in ((0.2, 0.3), (0.01, 0.5), (0.9, 0.99), (0.6, 1.0), (0.003, 0.004)):
        yield (*(rng.standard_normal((2, 2, 3, 1)).astype(dtype) for _ in range(3)), low, high)


def _step(x_t, x_0, noise, alpha_bar, alpha_bar_prev, deviation):
    alpha = alpha_bar / alpha_bar_prev
    of_x_0 = math.sqrt(alpha_bar_prev) * (1 - alpha) / (1 - alpha_bar)
    of_x_t = math.sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar)
    return of_x_0 * x_0 + of_x_t * x_t + deviation * noise


def mistake_beta(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """The variance is beta_tilde: beta alone is the paper's other choice, and leaves noise in the last step."""
    return _step(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev, math.sqrt(1 - alpha_bar / alpha_bar_prev))


def mistake_variance_as_factor(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """beta_tilde is a variance: the noise is multiplied by its square root."""
    variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_prev)
    return _step(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev, variance)


def mistake_no_noise(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """The mean alone is not a draw: the noise is missing."""
    return _step(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev, 0)


def mistake_noised_again(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """You noise x_0 anew, and forget where x_t was; the step keeps a part of x_t."""
    return math.sqrt(alpha_bar_prev) * x_0_pred + math.sqrt(1 - alpha_bar_prev) * noise


def mistake_exchanged(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """The factors of x_0 and x_t are exchanged: where the step is small, x_t counts most."""
    variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_prev)
    return _step(x_0_pred, x_t, noise, alpha_bar, alpha_bar_prev, math.sqrt(variance))


def mistake_alpha_of_t(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """alpha is the share that this step leaves, alpha_bar / alpha_bar_prev; you take alpha_bar itself."""
    of_x_0 = math.sqrt(alpha_bar_prev)
    of_x_t = math.sqrt(alpha_bar) * (1 - alpha_bar_prev) / (1 - alpha_bar)
    return of_x_0 * x_0_pred + of_x_t * x_t + math.sqrt(1 - alpha_bar_prev) * noise


def mistake_other_way_round(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    """The fraction is upside down: beta_tilde is (1 - alpha_bar_prev) / (1 - alpha_bar) beta, less than beta."""
    beta = 1 - alpha_bar / alpha_bar_prev
    variance = (1 - alpha_bar) / max(1 - alpha_bar_prev, 1e-12) * beta
    return _step(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev, math.sqrt(variance))


def right_by_precisions(x_t, x_0_pred, noise, alpha_bar, alpha_bar_prev):
    if alpha_bar_prev == 1:
        return x_0_pred
    alpha = alpha_bar / alpha_bar_prev
    precision = alpha / (1 - alpha) + 1 / (1 - alpha_bar_prev)
    mean = (alpha**0.5 * x_t / (1 - alpha) + alpha_bar_prev**0.5 * x_0_pred / (1 - alpha_bar_prev)) / precision
    return mean + noise / precision**0.5


def right_by_noise(x, x_0, e, a, a_prev):
    share = a / a_prev
    found = (x - math.sqrt(a) * x_0) / math.sqrt(1 - a)
    mean = (x - (1 - share) / math.sqrt(1 - a) * found) / math.sqrt(share)
    return mean + math.sqrt((1 - a_prev) * (1 - share) / (1 - a)) * e
