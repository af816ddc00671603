"""How long is a mixture of noises?

Two independent draws from N(0, 1), each of <size> numbers, are mixed on the straight line: <share> times the one and
<rest> times the other. How long is the mixture? (The root of its mean square length, to three digits.) For comparison:
either of the two has the length sqrt(<size>), and so has everything on the sphere's way between them.
"""

import math

POINTS, MINUTES = 1, 10
HINTS = (
    "The square of the length is a sum of <size> squares. What is the mean of one of them?",
    "Each number of the mixture has mean 0, so the mean of its square is its variance.",
    "Variances of independent draws add up, each times the square of its factor: sqrt(size (a^2 + b^2)).",
)


def answer(size, share, rest):
    return math.sqrt(size * (share**2 + rest**2))


def numbers(rng):
    share = int(rng.choice([2, 3, 4, 6, 7, 8]))
    return int(rng.choice([196, 784, 4096, 16384])), share / 10, (10 - share) / 10


def mistake_as_long_as_either(size, share, rest):
    """That is the length of either draw: the two point in different directions, and partly cancel each other."""
    return math.sqrt(size) * (share + rest)


def mistake_variance(size, share, rest):
    """That is the square of the length: take the root."""
    return size * (share**2 + rest**2)


def mistake_factors_not_squared(size, share, rest):
    """A factor of a draw stands squared before its variance."""
    return math.sqrt(size * (share + rest) / 2)


def mistake_one_number(size, share, rest):
    """That is the deviation of one number: the length is taken over all of them."""
    return math.sqrt(share**2 + rest**2)


def mistake_subtracted(size, share, rest):
    """The draws are independent: their variances add up, they do not subtract."""
    return math.sqrt(size * abs(share**2 - rest**2))
