"""The cosine schedule

Nichol and Dhariwal (2021, equation 17) say what is to be left at $t = 1 \\dots T$, and the betas follow from it:

$$\\bar\\alpha_t = \\frac{f(t)}{f(0)}, \\qquad f(t) = \\cos^2\\left(\\frac{t/T + s}{1 + s} \\frac{\\pi}{2}\\right),
\\qquad \\beta_t = \\min\\left(1 - \\frac{\\bar\\alpha_t}{\\bar\\alpha_{t-1}},\\ \\text{max\\_beta}\\right)$$

Without the bound the last beta would be 1, and nothing would be left of the picture. Write the function that gives the
$T$ betas.
"""

import math

import numpy as np

from minisd.diffusion.schedule import cosine_schedule

POINTS, MINUTES = 3, 20
GIVEN = ("np", "math")
HINTS = (
    "You need f at T + 1 places: t = 0, 1, ..., T. How many ratios of neighbours are there?",
    "f(0) cancels in the ratio of two neighbours.",
    "With f of shape (T + 1,): 1 - f[1:] / f[:-1], and no more than max_beta.",
)


def cosine_betas(steps, s=0.008, max_beta=0.999):
    """The betas of shape (steps,), float64."""
    return cosine_schedule(steps, s, max_beta).betas


def cases(rng, dtype):
    yield (1,)
    yield (4,)
    yield (10,)
    yield (1000,)
    yield 7, 0.1
    yield 9, 0.05, 0.4
    yield int(rng.integers(12, 30)), float(rng.uniform(0.01, 0.2)), float(rng.uniform(0.3, 0.9))


def mistake_not_squared(steps, s=0.008, max_beta=0.999):
    """The cosine is squared: alpha_bar is a share of the variance, the cosine one of the amplitude."""
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2))
    return np.minimum(1 - f[1:] / f[:-1], max_beta)


def mistake_no_bound(steps, s=0.008, max_beta=0.999):
    """No beta may be larger than max_beta: the last one is 1 without it."""
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2)) ** 2
    return 1 - f[1:] / f[:-1]


def mistake_fixed_bound(steps, s=0.008, max_beta=0.999):
    """The bound is max_beta, which need not be 0.999."""
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2)) ** 2
    return np.minimum(1 - f[1:] / f[:-1], 0.999)


def mistake_fixed_s(steps, s=0.008, max_beta=0.999):
    """The offset is s, which need not be 0.008."""
    f = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * (math.pi / 2)) ** 2
    return np.minimum(1 - f[1:] / f[:-1], max_beta)


def mistake_s_not_taken_back(steps, s=0.008, max_beta=0.999):
    """t/T + s is divided by 1 + s, so that the angle ends at a right one and not behind it."""
    f = np.cos((np.arange(steps + 1) / steps + s) * (math.pi / 2)) ** 2
    return np.minimum(1 - f[1:] / f[:-1], max_beta)


def mistake_alpha_bar(steps, s=0.008, max_beta=0.999):
    """These are the alpha_bar; the betas are asked: how much each takes of the one before it."""
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2)) ** 2
    return f[1:] / f[0]


def mistake_difference(steps, s=0.008, max_beta=0.999):
    """beta_t is the share that step t takes of what is left by then: divide by alpha_bar_(t-1)."""
    f = np.cos((np.arange(steps + 1) / steps + s) / (1 + s) * (math.pi / 2)) ** 2
    return np.minimum((f[:-1] - f[1:]) / f[0], max_beta)


def right_loop(steps, s=0.008, max_beta=0.999):
    def left(t):
        return math.cos((t / steps + s) / (1 + s) * math.pi / 2) ** 2

    return np.array([min(1 - left(t) / left(t - 1), max_beta) for t in range(1, steps + 1)])


def right_by_half_angles(steps, s=0.008, max_beta=0.999):
    angle = np.pi * (np.linspace(0, 1, steps + 1) + s) / (1 + s)
    alpha_bar = (1 + np.cos(angle)) / (1 + np.cos(angle[0]))
    betas = 1 - alpha_bar[1:] / alpha_bar[:-1]
    betas[betas > max_beta] = max_beta
    return betas
