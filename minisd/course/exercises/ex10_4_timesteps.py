"""Which times to visit

A model was trained on $t = 0 \\dots T - 1$, and a sampler visits only some of these. Space them evenly downwards from
$T - 1$, where training saw nothing but noise (Lin et al., 2024): for $k = n, n - 1, \\dots, 1$

$$t = \\text{round}\\left(\\frac{T k}{n}\\right) - 1$$

Write the function that lists them, with Python's round, which rounds a half to the even neighbour.
"""

import numpy as np

from minisd.diffusion.spacing import timesteps as library

POINTS, MINUTES = 1, 5
HINTS = (
    "Try T = 1000 and n = 5 on paper. Where does it begin, and where does it end?",
    "k counts down from n to 1: range(n, 0, -1).",
    "[round(T * k / n) - 1 for k in range(n, 0, -1)]",
)


def timesteps(T, steps):
    """The falling times, a list of `steps` whole numbers."""
    return library(T, steps)


def cases(rng, dtype):
    yield from ((1000, 5), (1000, 50), (10, 10), (7, 3), (1000, 7), (5, 2), (100, 1), (9, 6))
    T = int(rng.integers(40, 90))
    yield T, int(rng.integers(11, 30))


def mistake_to_0(T, steps):
    """The times begin at T - 1 and end one stride above -1, not at 0."""
    return [round(t) for t in np.linspace(T - 1, 0, steps)]


def mistake_leading(T, steps):
    """Begin at T - 1, where training saw nothing but noise: yours begin one stride lower and end at 0."""
    return [round(T * k / steps) for k in range(steps - 1, -1, -1)]


def mistake_not_less_1(T, steps):
    """t counts from 0 to T - 1: subtract 1."""
    return [round(T * k / steps) for k in range(steps, 0, -1)]


def mistake_rising(T, steps):
    """Sampling begins with the noise: the times fall."""
    return [round(T * k / steps) - 1 for k in range(1, steps + 1)]


def mistake_rounded_down(T, steps):
    """Round to the nearest number, not down."""
    return [T * k // steps - 1 for k in range(steps, 0, -1)]


def mistake_whole_stride(T, steps):
    """The stride T / n is rarely whole: round each time, not the stride."""
    return [T - 1 - (T // steps) * i for i in range(steps)]


def right_numpy(T, steps):
    return (np.round(np.arange(steps, 0, -1) * T / steps) - 1).astype(int).tolist()


def right_while(T, n):
    k = n
    found = [T - 1]
    while k > 1:
        k -= 1
        found.append(round(k * T / n) - 1)
    return found
