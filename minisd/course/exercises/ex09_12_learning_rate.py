"""The learning rate over a training

Straight up for the first `warmup` steps, then down along half a cosine to `final` (Loshchilov and Hutter, 2017). Steps
are counted from 0. In the warm-up step $n$ has the rate

$$\\text{peak} \\cdot \\frac{n + 1}{\\text{warmup}}$$

and later, with $p$ the share of the remaining steps that have passed, $p = (n - \\text{warmup}) / (\\text{steps} -
\\text{warmup})$,

$$\\text{final} + (\\text{peak} - \\text{final}) \\cdot \\frac{1 + \\cos(\\pi p)}{2}$$
"""

import math

from minisd.optim import warmup_cosine

POINTS, MINUTES = 1, 10
GIVEN = ("math",)
HINTS = (
    "Which is the last step of the warm-up? What is the rate there, and at the next one?",
    "The cosine goes from 1 at p = 0 to -1 at p = 1.",
    "Two cases: below warmup the share (step + 1) / warmup of the peak; from there the second formula, with math.cos.",
)


def learning_rate(step, steps, peak, warmup, final=0.0):
    """The rate at that step, a number."""
    return warmup_cosine(step, steps, peak, warmup=warmup, final=final)


def cases(rng, dtype):
    for step in (0, 1, 8, 9, 10, 11, 54, 99):
        yield step, 100, 0.5, 10
    for step in (0, 3, 4, 12, 19):
        yield step, 20, 2.0, 4, 0.5
    yield 0, 5, 0.1, 0
    yield int(rng.integers(30, 60)), 80, float(rng.uniform(0.1, 1)), 20, 0.05


def mistake_from_zero(step, steps, peak, warmup, final=0.0):
    """Step 0 learns, too: its rate is peak / warmup, not 0."""
    if step < warmup:
        return peak * step / warmup
    return final + (peak - final) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def mistake_no_warm_up(step, steps, peak, warmup, final=0.0):
    """In the first `warmup` steps the rate goes straight up."""
    p = max(0, step - warmup) / (steps - warmup)
    return final + (peak - final) * (1 + math.cos(math.pi * p)) / 2


def mistake_share_of_all(step, steps, peak, warmup, final=0.0):
    """The cosine begins after the warm-up: p counts from there."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return final + (peak - final) * (1 + math.cos(math.pi * step / steps)) / 2


def mistake_quarter(step, steps, peak, warmup, final=0.0):
    """It is half a cosine, from 1 to -1, with the angle pi p: yours is a quarter."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return final + (peak - final) * math.cos(math.pi / 2 * (step - warmup) / (steps - warmup))


def mistake_straight_down(step, steps, peak, warmup, final=0.0):
    """It falls along a cosine, not along a line."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return final + (peak - final) * (1 - (step - warmup) / (steps - warmup))


def mistake_final_forgotten(step, steps, peak, warmup, final=0.0):
    """It falls to `final`, not to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def mistake_final_on_top(step, steps, peak, warmup, final=0.0):
    """It falls from peak to final: the cosine's share is peak - final, not peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return final + peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def right_table(step, steps, peak, warmup, final=0.0):
    rates = [peak * (n + 1) / warmup for n in range(warmup)]
    rates += [final + (peak - final) * math.cos(math.pi / 2 * n / (steps - warmup)) ** 2 for n in range(steps - warmup)]
    return rates[step]


def right_interpolated(n, steps, peak, warmup, final=0.0):
    if n >= warmup:
        weight = 0.5 - 0.5 * math.cos(math.pi * (n - warmup) / (steps - warmup))
        return (1 - weight) * peak + weight * final
    return (n + 1) / warmup * peak
