"""What order does a method have?

A method of order $p$ leaves the error $e \\approx C n^{-p}$ after $n$ steps. Take logarithms: $\\ln e = \\ln C - p \\ln
n$ is a straight line, and its slope is $-p$. Measure it: steps and errors are lists, as many numbers in each, two or
more. Lay the straight line of least squares through the points $(\\ln n, \\ln e)$,

$$\\text{slope} = \\frac{\\sum (u - \\bar u)(v - \\bar v)}{\\sum (u - \\bar u)^2}, \\qquad u = \\ln n, \\quad v = \\ln
e$$

and return the order, a number.
"""

from itertools import pairwise

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "On logarithms of both. Which sign has the slope, and which the order?",
    "u = np.log(steps) less its mean, v = np.log(errors) less its mean; or np.polyfit(u, v, 1), whose first is the "
    "slope.",
    "-np.polyfit(np.log(steps), np.log(errors), 1)[0]",
)


def measured_order(steps, errors):
    """The order p, a number: 2 where twice the steps leave a quarter of the error."""
    u, v = np.log(steps), np.log(errors)
    u, v = u - u.mean(), v - v.mean()
    return float((u * v).sum() / (u * u).sum() * -1)


def cases(rng, dtype):
    yield [10, 20, 40, 80], [0.1, 0.05, 0.025, 0.0125]
    yield [4, 8, 16], [0.3, 0.08, 0.019]
    yield [10, 100], [2.0, 2e-6]
    yield [3, 5, 9, 30], (0.7 * np.array([3, 5, 9, 30.0]) ** -2.0 * rng.uniform(0.8, 1.25, 4)).tolist()
    yield [100, 50, 25, 13, 6], (5e-3 * rng.uniform(1, 30, 5)).tolist()
    yield [5, 10, 20], [0.1, 0.1, 0.1]


def mistake_slope(steps, errors):
    """The error falls, so the slope is negative; the order is the slope without its minus."""
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def mistake_one_logarithm(steps, errors):
    """Both axes are logarithmic: take the logarithm of the steps, too."""
    return -float(np.polyfit(steps, np.log(errors), 1)[0])


def mistake_no_logarithms(steps, errors):
    """A power law is a straight line only between logarithms, of the steps and of the errors."""
    return -float(np.polyfit(steps, errors, 1)[0])


def mistake_through_the_origin(steps, errors):
    """The constant C moves the line up or down: subtract both means before you multiply."""
    u, v = np.log(steps), np.log(errors)
    return -float((u * v).sum() / (u * u).sum())


def mistake_only_the_ends(steps, errors):
    """You use the first and the last point only; the line of least squares goes by all of them."""
    return -float(np.log(errors[-1] / errors[0]) / np.log(steps[-1] / steps[0]))


def mistake_two_logarithms(steps, errors):
    """Both logarithms must have the same base: yours do not."""
    return -float(np.polyfit(np.log2(steps), np.log(errors), 1)[0])


def mistake_other_axis(steps, errors):
    """Below the line stands the spread of the steps' logarithms, not of the errors'."""
    u, v = np.log(steps), np.log(errors)
    u, v = u - u.mean(), v - v.mean()
    return -float((u * v).sum() / max((v * v).sum(), 1e-12))


def mistake_quotient(steps, errors):
    """That is by how much the error falls from one to the next; the order is the logarithm of it by that of the
    steps'."""
    return float(np.mean([a / b for a, b in pairwise(errors)]))


def right_polyfit(steps, errors):
    return -np.polyfit(np.log2(steps), np.log2(errors), 1)[0]


def right_normal_equations(n, e):
    table = np.stack([np.ones(len(n)), np.log10(n)], axis=1)
    (_, slope), *_ = np.linalg.lstsq(table, np.log10(e), rcond=None)
    return -slope
