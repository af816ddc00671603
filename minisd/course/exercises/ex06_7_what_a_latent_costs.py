"""What a latent costs

The encoder says of one latent number: mean <mean>, variance <variance>. How many nats does it add to the
Kullback-Leibler divergence from N(0, 1)? Three significant digits. (A nat is what the natural logarithm gives.)
"""

import math

POINTS, MINUTES = 1, 10
HINTS = (
    "KL = (mean^2 + variance - log variance - 1) / 2. The chapter derives it.",
    "log is the natural logarithm: math.log in Python.",
    "The variance is given as it is, not as its logarithm.",
)


def answer(mean, variance):
    return (mean**2 + variance - math.log(variance) - 1) / 2


def numbers(rng):
    return round(float(rng.uniform(0.5, 2.5)), 2), round(float(rng.uniform(0.05, 0.6)), 2)


def mistake_no_half(mean, variance):
    """That is twice too much: the half of the normal distribution's exponent is missing."""
    return mean**2 + variance - math.log(variance) - 1


def mistake_no_one(mean, variance):
    """A latent with mean 0 and variance 1 costs nothing: with your formula it costs something."""
    return (mean**2 + variance - math.log(variance)) / 2


def mistake_base_two(mean, variance):
    """You took the logarithm to base 2: nats come from the natural one."""
    return (mean**2 + variance - math.log2(variance) - 1) / 2


def mistake_variance_as_logarithm(mean, variance):
    """The variance is given itself, not its logarithm: no exponential is needed."""
    return (mean**2 + math.exp(variance) - variance - 1) / 2


def mistake_base_ten(mean, variance):
    """You took the logarithm to base 10: nats come from the natural one."""
    return (mean**2 + variance - math.log10(variance) - 1) / 2
