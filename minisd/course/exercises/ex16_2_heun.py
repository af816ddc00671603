"""Heun's step

Euler goes the whole step along the slope of its begin. Heun's method looks at the slope of the end, too, and takes the
mean of the two (Karras et al. 2022, algorithm 1). In $y = x / \\alpha$ and $r = \\sigma / \\alpha$, where $dy/dr =
\\varepsilon(y, r)$:

$$\\tilde y = y + (r' - r)\\, \\varepsilon(y, r), \\qquad
y' = y + (r' - r)\\, \\frac{\\varepsilon(y, r) + \\varepsilon(\\tilde y, r')}{2}$$

The slope is noise_of(y, r), which asks the network. At $r' = 0$ there is no noise that it could name, so a step to 0
is Euler's, and asks once.
"""

import numpy as np

POINTS, MINUTES = 3, 20
HINTS = (
    "Euler's step is the first half of the answer. What does the second question of the network ask about?",
    "Ask at the place where Euler's step ends and at the ratio there; then start again from y, with the mean slope.",
    "d = noise_of(y, r); end = y + (r_prev - r) * d, and that is all if r_prev is 0; else the result is "
    "y + (r_prev - r) * (d + noise_of(end, r_prev)) / 2",
)


def heun_step(noise_of, y, r, r_prev):
    """y at the ratio r_prev, shaped as y."""
    before = noise_of(y, r)
    there = y + (r_prev - r) * before
    if r_prev == 0:
        return there
    after = noise_of(there, r_prev)
    return y + (r_prev - r) * (before + after) / 2


def cases(rng, dtype):
    for r, r_prev in ((2.0, 1.2), (0.7, 0.0), (14.6, 9.0), (0.3, 0.25), (1.0, 0.0), (5.0, 0.1)):
        yield rng.standard_normal((2, 3, 2, 1)).astype(dtype), r, r_prev


def probe(heun_step, y, r, r_prev):
    asked = []

    def noise_of(there, ratio):
        asked.append([np.array(there), ratio])
        return (np.tanh(there) - 0.2 * ratio * np.cos(there)).astype(there.dtype)

    return {"y": heun_step(noise_of, y, r, r_prev), "asked": asked}


def mistake_euler(noise_of, y, r, r_prev):
    """That is Euler's step: the slope at its end counts as much as that at its begin."""
    return y + (r_prev - r) * noise_of(y, r)


def mistake_asks_at_the_end(noise_of, y, r, r_prev):
    """A step to the ratio 0 is Euler's: the network is not asked where there is no noise."""
    before = noise_of(y, r)
    after = noise_of(y + (r_prev - r) * before, r_prev)
    return y + (r_prev - r) * (before + after) / 2


def mistake_end_slope(noise_of, y, r, r_prev):
    """The mean of both slopes leads on; you take the one at the end alone."""
    before = noise_of(y, r)
    there = y + (r_prev - r) * before
    return there if r_prev == 0 else y + (r_prev - r) * noise_of(there, r_prev)


def mistake_not_halved(noise_of, y, r, r_prev):
    """It is the mean of the two slopes: you add them, and go twice as far."""
    before = noise_of(y, r)
    there = y + (r_prev - r) * before
    return there if r_prev == 0 else y + (r_prev - r) * (before + noise_of(there, r_prev))


def mistake_goes_on(noise_of, y, r, r_prev):
    """Start again from y with the mean slope: you go on from where Euler's step ended."""
    before = noise_of(y, r)
    there = y + (r_prev - r) * before
    return there if r_prev == 0 else there + (r_prev - r) * (before + noise_of(there, r_prev)) / 2


def mistake_old_place(noise_of, y, r, r_prev):
    """The second slope is that at the end of Euler's step; you ask about the old y at the new ratio."""
    before = noise_of(y, r)
    if r_prev == 0:
        return y + (r_prev - r) * before
    return y + (r_prev - r) * (before + noise_of(y, r_prev)) / 2


def mistake_old_ratio(noise_of, y, r, r_prev):
    """The second slope is asked at the new ratio, where the step ends; you ask at the old one."""
    before = noise_of(y, r)
    there = y + (r_prev - r) * before
    return there if r_prev == 0 else y + (r_prev - r) * (before + noise_of(there, r)) / 2


def mistake_middle(noise_of, y, r, r_prev):
    """That is the midpoint method, of second order as well; Heun's asks at the end of the step, not in its middle."""
    before = noise_of(y, r)
    if r_prev == 0:
        return y + (r_prev - r) * before
    return y + (r_prev - r) * noise_of(y + (r_prev - r) / 2 * before, (r + r_prev) / 2)


def mistake_upwards(noise_of, y, r, r_prev):
    """The ratio falls: the step is r_prev - r, which is negative."""
    before = noise_of(y, r)
    there = y + (r - r_prev) * before
    return there if r_prev == 0 else y + (r - r_prev) * (before + noise_of(there, r_prev)) / 2


def right_by_correction(noise_of, y, r, r_prev):
    h = r_prev - r
    slope = noise_of(y, r)
    guess = y + h * slope
    if r_prev > 0:
        guess = guess + h / 2 * (noise_of(guess, r_prev) - slope)
    return guess


def right_mean_of_two_ends(noise_of, y, r, r_prev):
    length = r - r_prev
    first = y - length * noise_of(y, r)
    if not r_prev:
        return first
    second = first - length * noise_of(first, r_prev)  # two whole steps on: half of both together is one
    return 0.5 * y + 0.5 * second
