"""Logit-normal times, and the weight that they are

Esser et al. (2024) draw the times of training so that the middle comes more often: $\\mathrm{logit}\\, t = \\ln
\\frac{t}{1 - t}$ is normal, with mean $\\mu$ and deviation s. `normal` holds numbers drawn from N(0, 1), in any shape.
Make times of them, and say for each the density of the times there,

$$\\pi(t) = \\frac{1}{s \\sqrt{2 \\pi}}\\, \\frac{1}{t (1 - t)}\\, e^{-(\\mathrm{logit}\\, t - \\mu)^2 / 2 s^2}$$

which is the weight that this t has in the loss, beside uniform times. Return both. None of the numbers is further from
0 than 6.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "First the logit: a normal number with the mean mu and the deviation s. Then solve ln(t / (1 - t)) = logit for t.",
    "t = 1 / (1 + exp(-logit)). In the density the exponent is -normal^2 / 2, for (logit - mu) / s is `normal` again.",
    "With logit = mu + s normal: t = 1 / (1 + exp(-logit)), and the density is exp(-normal^2 / 2), divided by s, by "
    "the root of 2 pi, and by t (1 - t).",
)


def logit_normal_times(normal, mean, deviation):
    """The times t, and the density at each of them: two arrays, shaped as normal."""
    t = 1 / (1 + np.exp(-(mean + deviation * normal)))
    return t, np.exp(-(normal**2) / 2) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def cases(rng, dtype):
    for mean, deviation, shape in ((0.0, 1.0, (9,)), (0.5, 0.7, (7,)), (-1.0, 1.4, (3, 4)), (1.2, 0.5, (5,))):
        yield rng.standard_normal(shape).astype(dtype), mean, deviation
    yield np.array([-2.5, 0.0, 2.5], dtype), 0.3, 0.9


def probe(logit_normal_times, normal, mean, deviation):
    t, density = logit_normal_times(normal, mean, deviation)
    return {"t": t, "density": density}


def _times(normal, mean, deviation):
    return 1 / (1 + np.exp(-(mean + deviation * normal)))


def _density(normal, deviation, t):
    return np.exp(-(normal**2) / 2) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def mistake_reversed(normal, mean, deviation):
    """The sign in the exponential: a large logit is a t near 1, t = 1 / (1 + e^-logit)."""
    t = 1 / (1 + np.exp(mean + deviation * normal))
    return t, _density(normal, deviation, t)


def mistake_exponential(normal, mean, deviation):
    """e^logit is t / (1 - t); solve that for t."""
    t = np.exp(mean + deviation * normal)
    return t, np.exp(-(normal**2) / 2) / (deviation * np.sqrt(2 * np.pi) * t)


def mistake_cdf(normal, mean, deviation):
    """tanh would be another curve from 0 to 1: t = 1 / (1 + e^-logit), which is (1 + tanh(logit / 2)) / 2."""
    t = (1 + np.tanh(mean + deviation * normal)) / 2
    return t, _density(normal, deviation, t)


def mistake_variance(normal, mean, deviation):
    """s is the deviation; you multiply by its square, or by its root."""
    t = _times(normal, mean, deviation**2)
    return t, _density(normal, deviation**2, t)


def mistake_divided(normal, mean, deviation):
    """A normal number with deviation s is s times one with deviation 1; you divide by s."""
    t = _times(normal, mean, 1 / deviation)
    return t, _density(normal, deviation, t)


def mistake_mean_inside(normal, mean, deviation):
    """The mean is added after the multiplication by s: mu + s normal."""
    t = _times(normal, mean * deviation, deviation)
    return t, _density(normal, deviation, t)


def mistake_standardised(normal, mean, deviation):
    """The numbers are N(0, 1) already: mu + s normal has the mean mu and the deviation s. You go the way back."""
    t = 1 / (1 + np.exp(-(normal - mean) / deviation))
    return t, np.exp(-(((normal - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def mistake_logarithm(normal, mean, deviation):
    """The logit is ln(t / (1 - t)); in the exponent you have ln t."""
    t = _times(normal, mean, deviation)
    return t, np.exp(-((np.log(t) - mean) ** 2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def mistake_no_jacobian(normal, mean, deviation):
    """That is the logit's density. Per t there is its derivative more, 1 / (t (1 - t))."""
    return _times(normal, mean, deviation), np.exp(-(normal**2) / 2) / (deviation * np.sqrt(2 * np.pi))


def mistake_jacobian_upside_down(normal, mean, deviation):
    """The logit's derivative, 1 / (t (1 - t)), multiplies the density: you divide by it."""
    t = _times(normal, mean, deviation)
    return t, np.exp(-(normal**2) / 2) / (deviation * np.sqrt(2 * np.pi)) * t * (1 - t)


def mistake_no_half(normal, mean, deviation):
    """The exponent is the square divided by two."""
    t = _times(normal, mean, deviation)
    return t, np.exp(-(normal**2)) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def mistake_without_s(normal, mean, deviation):
    """The density of a wider bell is lower: s belongs below, beside the root of 2 pi."""
    t = _times(normal, mean, deviation)
    return t, np.exp(-(normal**2) / 2) / (np.sqrt(2 * np.pi) * t * (1 - t))


def mistake_s_twice(normal, mean, deviation):
    """(logit - mu) / s is the normal number itself: you divide by s once more in the exponent."""
    t = _times(normal, mean, deviation)
    return t, np.exp(-(normal**2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def mistake_raw_t_in_the_exponent(normal, mean, deviation):
    """In the exponent stands the logit of t less mu, not t less mu."""
    t = _times(normal, mean, deviation)
    return t, np.exp(-((t - mean) ** 2) / (2 * deviation**2)) / (deviation * np.sqrt(2 * np.pi) * t * (1 - t))


def right_by_the_formula(normal, mean, deviation):
    odds = np.exp(mean + deviation * normal)
    t = odds / (1 + odds)
    logit = np.log(t) - np.log1p(-t)
    bell = np.exp(-((logit - mean) ** 2) / (2 * deviation**2))
    return t, bell / (deviation * (2 * np.pi) ** 0.5 * t * (1 - t))


def right_by_tanh(normal, mean, deviation):
    """1 / (t (1 - t)) is also 4 cosh^2(logit / 2)."""
    logit = mean + deviation * normal
    bell = np.exp(-0.5 * normal * normal) / np.sqrt(2 * np.pi * deviation**2)
    return 0.5 + 0.5 * np.tanh(logit / 2), bell * 4 * np.cosh(logit / 2) ** 2
