"""Variety that is lost

The ends of a teacher's ways are numbers with the deviation <deviation>. A student has learned them by least squares as
well as it can, and a mean squared error of <error> is left, since it is too small to follow every turn. Which deviation
have the student's own answers? (A number, to three digits.)
"""

import math

POINTS, MINUTES = 1, 10
HINTS = (
    "At its best a student's answer and what it misses are not correlated: scaling its answers would not help. What "
    "does that say of the variances?",
    "Variance of the ends = variance of the answers + mean squared error.",
    "sqrt(deviation^2 - error)",
)


def answer(deviation, error):
    return math.sqrt(deviation**2 - error)


def numbers(rng):
    return (0.8, 0.9, 1.0, 1.1, 1.2)[int(rng.integers(5))], (0.1, 0.15, 0.2, 0.25, 0.3)[int(rng.integers(5))]


def mistake_variance(deviation, error):
    """That is the variance; the deviation is its root."""
    return deviation**2 - error


def mistake_deviations_subtracted(deviation, error):
    """Variances are subtracted, not deviations."""
    return deviation - math.sqrt(error)


def mistake_added(deviation, error):
    """What a student misses makes its answers vary less, not more."""
    return math.sqrt(deviation**2 + error)


def mistake_error_off_the_deviation(deviation, error):
    """The mean squared error is a square: subtract it from the variance, then take the root."""
    return deviation - error


def mistake_as_before(deviation, error):
    """Answers that vary as the ends do, and miss them by that much, could be improved by making them smaller."""
    return deviation
