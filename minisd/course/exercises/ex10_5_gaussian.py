"""The best guess, where it is known

If the data are normally distributed with mean $\\mu$ and variance $s^2$, number by number, no network is needed: the
best guess of $x_0$, given $x_t = \\sqrt{\\bar\\alpha}\\, x_0 + \\sqrt{1 - \\bar\\alpha}\\, \\varepsilon$, is its
conditional mean

$$E[x_0 | x_t] = \\mu + \\frac{\\text{Cov}(x_0, x_t)}{\\text{Var}(x_t)} \\, (x_t - E[x_t])$$

Work out the three pieces, and write the function. mean and variance are numbers.
"""

import math

import numpy as np

POINTS, MINUTES = 3, 25
GIVEN = ("np", "math")
HINTS = (
    "x_0 and the noise are independent. What is the mean of x_t? What its variance?",
    "Cov(x_0, x_t) is the covariance of x_0 with the part of x_t that it is in.",
    "mean + sqrt(alpha_bar) variance / (alpha_bar variance + 1 - alpha_bar) * (x_t - sqrt(alpha_bar) mean)",
)


def best_guess(x_t, alpha_bar, mean, variance):
    """E[x_0 | x_t], shaped as x_t."""
    alpha = math.sqrt(alpha_bar)
    gain = alpha * variance / (alpha_bar * variance + 1 - alpha_bar)
    return mean + gain * (x_t - alpha * mean)


def cases(rng, dtype):
    for alpha_bar, mean, variance in (
        (0.5, 0.0, 1.0),
        (0.2, 1.5, 0.25),
        (0.9, -2.0, 4.0),
        (1.0, 0.7, 0.3),
        (0.0, 0.7, 0.3),
    ):
        yield rng.standard_normal((2, 3, 2, 1)).astype(dtype), alpha_bar, mean, variance


def mistake_divided(x_t, alpha_bar, mean, variance):
    """x_t / sqrt(alpha_bar) takes all for signal; the noise's share leads back to the mean."""
    return x_t / math.sqrt(max(alpha_bar, 1e-12))


def mistake_mean_not_shrunk(x_t, alpha_bar, mean, variance):
    """The mean of x_t is sqrt(alpha_bar) mean, not mean."""
    gain = math.sqrt(alpha_bar) * variance / (alpha_bar * variance + 1 - alpha_bar)
    return mean + gain * (x_t - mean)


def mistake_deviation(x_t, alpha_bar, mean, variance):
    """`variance` is one already; you take it for a standard deviation and square it."""
    alpha = math.sqrt(alpha_bar)
    return mean + alpha * variance**2 / (alpha_bar * variance**2 + 1 - alpha_bar) * (x_t - alpha * mean)


def mistake_alpha_bar_in_gain(x_t, alpha_bar, mean, variance):
    """The covariance of x_0 and x_t is sqrt(alpha_bar) variance, with the root."""
    gain = alpha_bar * variance / (alpha_bar * variance + 1 - alpha_bar)
    return mean + gain * (x_t - math.sqrt(alpha_bar) * mean)


def mistake_no_noise_variance(x_t, alpha_bar, mean, variance):
    """The variance of x_t has the noise's share, too: 1 - alpha_bar."""
    alpha = math.sqrt(alpha_bar)
    return mean + (x_t - alpha * mean) * alpha * variance / max(alpha_bar * variance, 1e-12)


def mistake_no_mean(x_t, alpha_bar, mean, variance):
    """The data's mean is not 0: take it from x_t, and add it again."""
    return math.sqrt(alpha_bar) * variance / (alpha_bar * variance + 1 - alpha_bar) * x_t


def mistake_noise_root(x_t, alpha_bar, mean, variance):
    """Variances add up: the noise's is 1 - alpha_bar, without a root."""
    alpha = math.sqrt(alpha_bar)
    gain = alpha * variance / (alpha_bar * variance + math.sqrt(1 - alpha_bar))
    return mean + gain * (x_t - alpha * mean)


def right_by_precisions(x_t, alpha_bar, mean, variance):
    noise = 1 - alpha_bar
    weight_of_prior = noise / (noise + alpha_bar * variance)
    if alpha_bar == 0:
        return np.full_like(x_t, mean)
    return weight_of_prior * mean + (1 - weight_of_prior) * x_t / np.sqrt(alpha_bar)


def right_loop(x, a, mean, variance):
    result = np.empty_like(x)
    spread = a * variance + (1 - a)
    for place in np.ndindex(*x.shape):
        off = x[place] - a**0.5 * mean
        result[place] = mean + a**0.5 * variance * off / spread
    return result
