"""How many steps for a smaller error?

A sampler of order <p>, after <n> steps, is <error> away from the end of the way. Its error falls as its order says.
What is the smallest number of steps with which it is at most <wanted> away? (A whole number.)
"""

import math

POINTS, MINUTES = 2, 10
HINTS = (
    "Twice the steps leave a half, a quarter or an eighth of the error, by the order. How much less is wanted here?",
    "error / wanted = (steps / n) ** p. Solve that for the steps.",
    "math.ceil(n * (error / wanted) ** (1 / p))",
)


def answer(p, n, error, wanted):
    return math.ceil(n * (error / wanted) ** (1 / p))


def numbers(rng):
    p, n = int(rng.integers(2, 4)), int(rng.integers(6, 13))
    return p, n, 0.08, (0.0101, 0.0052, 0.0021, 0.0013)[int(rng.integers(4))]


def mistake_first_order(p, n, error, wanted):
    """That would be a method of first order: error / wanted is the p-th power of how many times the steps."""
    return math.ceil(n * error / wanted)


def mistake_power(p, n, error, wanted):
    """The p-th root of error / wanted is wanted, not its p-th power."""
    return math.ceil(n * (error / wanted) ** p)


def mistake_rounded_down(p, n, error, wanted):
    """With that many steps the error is still a little larger: round up."""
    return math.floor(n * (error / wanted) ** (1 / p))


def mistake_factor_p(p, n, error, wanted):
    """The order is an exponent, not a factor."""
    return math.ceil(n * error / wanted / p)


def mistake_how_many_more(p, n, error, wanted):
    """That is how many steps come on top; the number of all is asked."""
    return answer(p, n, error, wanted) - n
