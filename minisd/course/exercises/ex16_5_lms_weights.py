"""Weights of a linear multi-step method

The step of $dy/dr = \\varepsilon$ from $r_0$ to $r'$ adds the integral of $\\varepsilon$. We know the noise at the last
places that we came by, $r_0$ (where we stand), $r_1, r_2, \\dots$ (where we were before). Lay a polynomial through all
of them and integrate it instead. Lagrange's form of the polynomial shows that this is a sum with weights,

$$\\int_{r_0}^{r'} \\varepsilon\\, dr \\approx \\sum_j w_j\\, \\varepsilon_j, \\qquad
w_j = \\int_{r_0}^{r'} \\prod_{k \\ne j} \\frac{r - r_k}{r_j - r_k}\\, dr$$

With equal steps these are the numbers of Adams and Bashforth, 3/2 and -1/2 times the step for two places, 23/12, -16/12
and 5/12 for three. Ours are not equal. Write the function that finds them: ratios lists the places, the newest first,
one to four of them, all different; ratio_prev is $r'$. The weights must be exact: polynomials can be integrated without
error.
"""

import numpy as np

from minisd.diffusion.samplers.lms import lagrange_integrals

POINTS, MINUTES = 5, 45
HINTS = (
    "With one place the weight is r' - r_0: Euler. With two, integrate a straight line by hand first.",
    "np.poly1d([1, -r_k]) is the polynomial r - r_k. Polynomials can be multiplied, divided by a number, and "
    ".integ() is an antiderivative.",
    "For each j: p = np.poly1d([1.0]); for every other k: p = p * np.poly1d([1, -ratios[k]]) / (ratios[j] - ratios[k]);"
    " P = p.integ(); the weight is P(ratio_prev) - P(ratios[0]).",
)


def lms_weights(ratios, ratio_prev):
    """The weights of the noises at those ratios, an array as long as ratios."""
    return np.array(lagrange_integrals(ratios, ratios[0], ratio_prev))


def cases(rng, dtype):
    yield from (([3.0], 2.0), ([2.0, 3.0], 1.0), ([2.0, 3.0, 4.0], 1.0), ([1.0, 2.5], 0.0), ([0.7, 1.1, 3.0], 0.5))
    for count in (2, 3, 3, 4, 4):
        falling = np.sort(rng.uniform(0.2, 1.0, count + 1).cumsum())
        yield falling[1:].tolist(), float(falling[0])


def _integrals(ratios, start, end):
    """Of the Lagrange polynomials of those places, from start to end."""
    powers = np.arange(len(ratios))
    moments = (end ** (powers + 1) - start ** (powers + 1)) / (powers + 1)
    return np.linalg.solve(np.asarray(ratios)[None] ** powers[:, None], moments)


def mistake_equal_steps(ratios, ratio_prev):
    """Those are the weights for equal steps: yours are unequal, so each polynomial must be integrated."""
    places = -np.arange(len(ratios), dtype=float)
    return (ratio_prev - ratios[0]) * _integrals(places, 0.0, 1.0)


def mistake_euler(ratios, ratio_prev):
    """That is Euler's step: the older noises count as well."""
    return np.array([ratio_prev - ratios[0], *[0.0] * (len(ratios) - 1)])


def mistake_mean(ratios, ratio_prev):
    """The noises are not averaged: the line through them is followed on, so older ones get a minus."""
    return np.full(len(ratios), (ratio_prev - ratios[0]) / len(ratios))


def mistake_backwards(ratios, ratio_prev):
    """The integral goes from where we stand to the new place; yours has its ends exchanged."""
    return _integrals(ratios, ratio_prev, ratios[0])


def mistake_oldest_first(ratios, ratio_prev):
    """The newest place comes first, and so does its weight."""
    return _integrals(ratios, ratios[0], ratio_prev)[::-1].copy()


def mistake_from_the_oldest(ratios, ratio_prev):
    """The step begins at ratios[0], where we stand; you integrate from the oldest place on."""
    return _integrals(ratios, ratios[-1], ratio_prev)


def mistake_middle(ratios, ratio_prev):
    """You take the polynomial's value in the middle of the step, times its length: from three places on that is not the
    integral."""
    middle = (ratios[0] + ratio_prev) / 2
    values = [
        np.prod([(middle - b) / (a - b) for k, b in enumerate(ratios) if k != j] or [1.0]) for j, a in enumerate(ratios)
    ]
    return (ratio_prev - ratios[0]) * np.array(values)


def mistake_at_the_end(ratios, ratio_prev):
    """You take the polynomial's value at the end of the step, times its length: integrate it over the step."""
    values = [
        np.prod([(ratio_prev - b) / (a - b) for k, b in enumerate(ratios) if k != j] or [1.0])
        for j, a in enumerate(ratios)
    ]
    return (ratio_prev - ratios[0]) * np.array(values)


def mistake_not_divided(ratios, ratio_prev):
    """Each polynomial is 1 at its own place: divide by the product of r_j - r_k."""
    scale = [np.prod([a - b for k, b in enumerate(ratios) if k != j] or [1.0]) for j, a in enumerate(ratios)]
    return _integrals(ratios, ratios[0], ratio_prev) * np.array(scale)


def mistake_up_to_two(ratios, ratio_prev):
    """You look at the last two places only; all of them are to be used."""
    weights = np.zeros(len(ratios))
    weights[:2] = _integrals(ratios[:2], ratios[0], ratio_prev)
    return weights


def right_moments(ratios, ratio_prev):
    middle = ratios[0]
    places = np.array(ratios) - middle
    h = ratio_prev - middle
    table = np.vander(places, increasing=True).T
    return np.linalg.solve(table, [h ** (n + 1) / (n + 1) for n in range(len(ratios))])


def right_gauss(r, end):
    nodes, shares = np.polynomial.legendre.leggauss(3)  # exact up to degree 5
    at = r[0] + (end - r[0]) * (nodes + 1) / 2
    found = []
    for j in range(len(r)):
        values = np.ones_like(at)
        for k in range(len(r)):
            if k != j:
                values *= (at - r[k]) / (r[j] - r[k])
        found.append((shares * values).sum() * (end - r[0]) / 2)
    return found
