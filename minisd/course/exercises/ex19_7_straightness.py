"""How straight is a path?

A straight path has one velocity, all along: that of the straight line between its ends. How much does a flow's differ
from it? Liu et al. (2023) take the mean squared difference,

$$S = \\int_0^1 E \\left| (x_1 - x_0) - \\frac{dx_t}{dt} \\right|^2 dt$$

You are given the places of B dots in D coordinates at n + 1 times: `path` has the shape (n + 1, B, D), and `times` fall
from 1, where path[0] is the noise, to 0. Between two times a dot's velocity is $\\Delta x / \\Delta t$. Add up over the
steps the squared length of the difference (over the D coordinates), the mean of the B dots, times the length of the
step in time.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "What is x_1 - x_0 here: which of path[0] and path[-1] is the noise? And np.diff has all steps at once.",
    "velocity = np.diff(path, axis=0) / np.diff(times)[:, None, None]; both are negative in time, which cancels. The "
    "step's length is |np.diff(times)|.",
    "(path[0] - path[-1] - velocity) squared, added up along the last axis, averaged along the one before; then each "
    "step times its length, and all added up.",
)


def straightness(path, times):
    """S, a number; 0 for straight lines at an even pace."""
    lengths = -np.diff(times)
    velocity = -np.diff(path, axis=0) / lengths[:, None, None]
    squared = ((path[0] - path[-1] - velocity) ** 2).sum(axis=-1).mean(axis=-1)
    return float((squared * lengths).sum())


def cases(rng, dtype):
    for times, B, D in (
        ([1, 0.5, 0.25, 0], 4, 2),
        ([1, 0.9, 0.2, 0], 3, 5),
        ([1, 0.4, 0], 2, 2),
        ([1, 0.3, 0.2, 0], 1, 3),
    ):
        yield rng.standard_normal((len(times), B, D)).astype(dtype), np.array(times, dtype)
    t = np.array([1, 0.7, 0.1, 0])
    noise, picture = rng.standard_normal((2, 3, 2))
    straight = (1 - t[:, None, None]) * picture + t[:, None, None] * noise
    yield (straight + 0.05 * rng.standard_normal(straight.shape)).astype(dtype), t.astype(dtype)


def _velocity(path, times):
    return np.diff(path, axis=0) / np.diff(times)[:, None, None]


def mistake_ends_exchanged(path, times):
    """path[0] is the noise, x_1: the way from picture to noise is path[0] - path[-1]."""
    squared = ((path[-1] - path[0] - _velocity(path, times)) ** 2).sum(axis=-1).mean(axis=-1)
    return float((squared * -np.diff(times)).sum())


def mistake_steps_not_velocities(path, times):
    """A step is not a velocity: divide it by the time that it takes."""
    squared = ((path[0] - path[-1] - np.diff(path, axis=0)) ** 2).sum(axis=-1).mean(axis=-1)
    return float((squared * -np.diff(times)).sum())


def mistake_mean_of_steps(path, times):
    """A long step counts more than a short one: weight each by its length in time."""
    return float(((path[0] - path[-1] - _velocity(path, times)) ** 2).sum(axis=-1).mean())


def mistake_mean_of_coordinates(path, times):
    """The squared length of a difference is the sum over its coordinates, not their mean."""
    squared = ((path[0] - path[-1] - _velocity(path, times)) ** 2).mean(axis=(-1, -2))
    return float((squared * -np.diff(times)).sum())


def mistake_mean_of_all(path, times):
    """Only the dots are averaged: coordinates are added up, and steps are weighted by their length in time."""
    return float(((path[0] - path[-1] - _velocity(path, times)) ** 2).mean())


def mistake_sum_of_dots(path, times):
    """E is the mean over the dots; you add them up."""
    squared = ((path[0] - path[-1] - _velocity(path, times)) ** 2).sum(axis=(-1, -2))
    return float((squared * -np.diff(times)).sum())


def mistake_not_squared(path, times):
    """The squared length is wanted; you take the length."""
    length = np.linalg.norm(path[0] - path[-1] - _velocity(path, times), axis=-1).mean(axis=-1)
    return float((length * -np.diff(times)).sum())


def mistake_negative(path, times):
    """The times fall, so their differences are negative; a step's length is not."""
    squared = ((path[0] - path[-1] - _velocity(path, times)) ** 2).sum(axis=-1).mean(axis=-1)
    return float((squared * np.diff(times)).sum())


def mistake_mean_path(path, times):
    """Take the square of each dot's difference first, and the mean of the dots then: in the mean path the bends of
    different dots cancel."""
    difference = (path[0] - path[-1] - _velocity(path, times)).mean(axis=1)
    return float(((difference**2).sum(axis=-1) * -np.diff(times)).sum())


def mistake_off_the_line(path, times):
    """That is how far the places lie off the straight line; S compares velocities."""
    t = times[:, None, None]
    off = ((path - (1 - t) * path[-1] - t * path[0]) ** 2).sum(axis=-1).mean(axis=-1)
    return float((off[:-1] * -np.diff(times)).sum())


def mistake_ratio_of_lengths(path, times):
    """That is how much longer the path is than the line, another measure: S compares velocities, so it sees an uneven
    pace as well."""
    walked = np.linalg.norm(np.diff(path, axis=0), axis=-1).sum(axis=0)
    return float((walked / np.linalg.norm(path[0] - path[-1], axis=-1)).mean())


def mistake_against_the_first_velocity(path, times):
    """The velocity is compared with that of the straight line between the ends, not with the first step's."""
    velocity = _velocity(path, times)
    squared = ((velocity[0] - velocity) ** 2).sum(axis=-1).mean(axis=-1)
    return float((squared * -np.diff(times)).sum())


def right_loops(path, times):
    total = 0.0
    for k in range(len(times) - 1):
        h = times[k] - times[k + 1]
        for b in range(path.shape[1]):
            off = (path[0, b] - path[-1, b]) - (path[k, b] - path[k + 1, b]) / h
            total += h * (off @ off) / path.shape[1]
    return float(total)


def right_by_variance(path, times):
    """The line's velocity is the mean of the steps' by time, so S is their variance: mean square less squared mean."""
    h = np.abs(np.diff(times))[:, None, None]
    velocity = np.diff(path, axis=0) / h
    square = (h * velocity**2).sum(axis=0) - ((h * velocity).sum(axis=0)) ** 2
    return float(square.sum(axis=-1).mean())
