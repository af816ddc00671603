"""Where to put the steps

Karras et al. (2022, equation 5) let the $\\rho$-th root of the ratio $r = \\sigma / \\alpha$ fall evenly, from the
first ratio to the last, and then to 0. For $i = 0, \\dots, n - 1$:

$$r_i = \\left(r_\\text{first}^{1/\\rho} + \\frac{i}{n - 1} \\left(r_\\text{last}^{1/\\rho} -
r_\\text{first}^{1/\\rho}\\right)\\right)^\\rho, \\qquad r_n = 0$$

With $\\rho = 1$ the ratios fall evenly; the larger $\\rho$ is, the more steps lie where there is little noise. Theirs
is 7. Return all n + 1 of them, an array. With a single step there is the first one, and 0.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "n numbers evenly spaced, both ends included, raised to a power; and one more.",
    "np.linspace(a, b, n) gives n numbers from a to b. What are a and b here?",
    "np.append(np.linspace(first ** (1 / rho), last ** (1 / rho), steps) ** rho, 0.0)",
)


def karras_ratios(first, last, steps, rho=7.0):
    """The falling ratios, (steps + 1,), the last of them 0."""
    roots = np.linspace(first ** (1 / rho), last ** (1 / rho), steps)
    return np.append(roots**rho, 0.0)


def cases(rng, dtype):
    yield from ((80.0, 0.002, 10), (80.0, 0.002, 18), (14.6, 0.03, 5, 3.0), (9.0, 1.0, 4, 1.0), (2.0, 0.5, 2))
    yield from ((30.0, 0.1, 1), (7.0, 0.05, 6, 0.5), (12.0, 0.4, 7, 20.0))
    yield float(rng.uniform(5, 50)), float(rng.uniform(0.01, 0.5)), int(rng.integers(4, 9)), float(rng.uniform(2, 9))


def _ratios(first, last, steps, power, parts):
    return (first**power + parts * (last**power - first**power)) ** (1 / power)


def mistake_no_end(first, last, steps, rho=7.0):
    """The last number is 0, the clean picture: there are steps + 1 of them."""
    return _ratios(first, last, steps, 1 / rho, np.linspace(0, 1, steps))


def mistake_divided_by_n(first, last, steps, rho=7.0):
    """The n ratios before the 0 include both ends, so i is divided by n - 1: yours never reach `last`."""
    return np.append(_ratios(first, last, steps, 1 / rho, np.arange(steps) / steps), 0.0)


def mistake_last_counted_twice(first, last, steps, rho=7.0):
    """There are n ratios from first to last, and then the 0: you have one too many."""
    return np.append(_ratios(first, last, steps, 1 / rho, np.linspace(0, 1, steps + 1)), 0.0)


def mistake_upside_down(first, last, steps, rho=7.0):
    """It is the root that falls evenly, not the power: 1 / rho and rho are exchanged."""
    return np.append(_ratios(first, last, steps, rho, np.linspace(0, 1, steps)), 0.0)


def mistake_even(first, last, steps, rho=7.0):
    """The ratios themselves do not fall evenly: their rho-th roots do."""
    return np.append(np.linspace(first, last, steps), 0.0)


def mistake_logarithms(first, last, steps, rho=7.0):
    """That is the exponential spacing, to which this one tends for a very large rho."""
    return np.append(np.geomspace(first, last, steps), 0.0)


def mistake_rising(first, last, steps, rho=7.0):
    """Sampling begins with the noise: the ratios fall."""
    return np.append(0.0, _ratios(last, first, steps, 1 / rho, np.linspace(0, 1, steps)))


def mistake_not_raised_again(first, last, steps, rho=7.0):
    """Those are the roots: raise them to the power rho again."""
    return np.append(np.linspace(first ** (1 / rho), last ** (1 / rho), steps), 0.0)


def mistake_always_7(first, last, steps, rho=7.0):
    """rho is an argument, and need not be 7."""
    return np.append(np.linspace(first ** (1 / 7), last ** (1 / 7), steps) ** 7, 0.0)


def right_loop(first, last, steps, rho=7.0):
    found = []
    for i in range(steps):
        part = i / (steps - 1) if steps > 1 else 0.0
        found.append(((1 - part) * first ** (1 / rho) + part * last ** (1 / rho)) ** rho)
    return [*found, 0.0]


def right_by_logarithms(a, b, n, rho=7.0):
    u, v = np.exp(np.log(a) / rho), np.exp(np.log(b) / rho)
    result = np.zeros(n + 1)
    result[:n] = np.exp(rho * np.log(u + (v - u) * np.arange(n) / max(1, n - 1)))
    return result
