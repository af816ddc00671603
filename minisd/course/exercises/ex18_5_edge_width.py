"""How wide an edge is

Walking across an edge, from dark to light, one reads grey levels y at equal distances of `step` pixels; they never
fall. The edge is as wide as it takes to come from 10% to 90% of the whole rise, from the first level to the last:

$$\\mathrm{width} = u_{90} - u_{10}, \\qquad y(u_{10}) = y_0 + 0.1\\, (y_{n-1} - y_0)$$

and likewise for 90%. Between two readings y is a straight line; where a level is held for a while, the place where it
is reached first counts. The first and the last 10% are left out because there noise and ringing make it anyone's guess
where an edge begins. A row that does not rise at all has no edge: return nan.
"""

import numpy as np

POINTS, MINUTES = 3, 30
HINTS = (
    "A ramp of 8 pixels, from 0 to 1, takes 80% of 8 pixels: 6.4. What does your function say of it?",
    "Find the first reading that is not below the level. The place lies between it and the one before.",
    "For a level at k = the first with y[k] >= level: (k - 1 + (level - y[k - 1]) / (y[k] - y[k - 1])) * step.",
)
GIVEN = ("np",)


def rise_width(y, step=1.0):
    """The distance from 10% to 90% of the rise, in pixels."""
    low, rise = y[0], y[-1] - y[0]
    if rise == 0:
        return float("nan")
    return float(_reached(y, low + 0.9 * rise, step) - _reached(y, low + 0.1 * rise, step))


def cases(rng, dtype):
    for count, step in ((9, 1.0), (4, 0.5), (25, 0.125), (2, 1.0), (12, 2.0)):
        y = np.sort(rng.uniform(-3, 5, count)).astype(dtype)
        yield y, step
    yield np.array([2, 2, 2.05, 2.2, 2.95, 3, 3], dtype), 0.25  # levels that are held
    yield np.array([0, 1, 1, 1, 9, 9, 10, 10], dtype), 1.0  # 10% and 90% are readings themselves
    yield np.array([0, 0, 255], dtype), 1.0
    yield np.full(5, 4, dtype), 1.0


def _reached(y, level, step=1.0):
    k = max(int(np.argmax(y >= level - 1e-9 * abs(level))), 1)
    return (k - 1 + (level - y[k - 1]) / (y[k] - y[k - 1])) * step


def _width(y, step, low, high):
    if y[-1] == y[0]:
        return float("nan")
    return float(_reached(y, high, step) - _reached(y, low, step))


def _levels(y, a, b):
    return y[0] + a * (y[-1] - y[0]), y[0] + b * (y[-1] - y[0])


def mistake_whole_rise(y, step=1.0):
    """That is the way from the first level to the last; it goes from 10% to 90% of the rise."""
    return _width(y, step, *_levels(y, 0.0, 1.0)) if y[-1] != y[0] else float("nan")


def mistake_no_straight_lines(y, step=1.0):
    """Between two readings the level is reached somewhere on a straight line, not at the next reading."""
    if y[-1] == y[0]:
        return float("nan")
    low, high = _levels(y, 0.1, 0.9)
    return float(step * (int(np.argmax(y >= high)) - int(np.argmax(y >= low))))


def mistake_in_readings(y, step=1.0):
    """That is a number of readings: times step it is pixels."""
    return _width(y, 1.0, *_levels(y, 0.1, 0.9))


def mistake_of_the_last_level(y, step=1.0):
    """10% of the rise lie above the first level: y[0] + 0.1 (y[-1] - y[0]), since the first level need not be 0."""
    if y[-1] == y[0]:
        return float("nan")
    low, high = (min(max(part * y[-1], y[0]), y[-1]) for part in (0.1, 0.9))
    return _width(y, step, low, high)


def mistake_a_quarter(y, step=1.0):
    """It goes from 10% to 90%, not from 25% to 75%."""
    return _width(y, step, *_levels(y, 0.25, 0.75))


def mistake_twenty(y, step=1.0):
    """It goes from 10% to 90%, not from 20% to 80%."""
    return _width(y, step, *_levels(y, 0.2, 0.8))


def mistake_by_the_slope(y, step=1.0):
    """The rise over the steepest slope is another measure: count from 10% to 90%."""
    if y[-1] == y[0]:
        return float("nan")
    return float((y[-1] - y[0]) / np.diff(y).max() * step)


def mistake_zero_without_an_edge(y, step=1.0):
    """Where nothing rises there is no edge, and so no width, not even 0: return nan."""
    return 0.0 if y[-1] == y[0] else rise_width(y, step)


def mistake_from_the_end(y, step=1.0):
    """Where a level is held, the place counts where it is reached first."""
    if y[-1] == y[0]:
        return float("nan")
    places = []
    for level in _levels(y, 0.1, 0.9):
        k = min(int(np.flatnonzero(y <= level + 1e-9 * abs(level))[-1]), len(y) - 2)
        places.append((k + (level - y[k]) / (y[k + 1] - y[k])) * step)
    return float(places[1] - places[0])


def mistake_numpy_interp_of_all(y, step=1.0):
    """Readings lie at 0, step, 2 step, ...: not spread from 0 to n step."""
    return rise_width(y, step * len(y) / (len(y) - 1))


def right_loop(y, step=1.0):
    total = float(y[-1]) - float(y[0])
    if total == 0:
        return float("nan")
    places = []
    for part in (0.1, 0.9):
        level = float(y[0]) + part * total
        for k in range(1, len(y)):
            if y[k] > level - 1e-7 * total:
                places.append(k - 1 + (level - float(y[k - 1])) / (float(y[k]) - float(y[k - 1])))
                break
    return step * (places[1] - places[0])


def right_scaled_first(y, step=1.0):
    y = np.asarray(y, np.float64)
    if y[0] == y[-1]:
        return np.nan
    part = (y - y[0]) / (y[-1] - y[0])
    after = [max(int(np.searchsorted(part, level - 1e-7)), 1) for level in (0.1, 0.9)]
    at = [k - 1 + (level - part[k - 1]) / (part[k] - part[k - 1]) for k, level in zip(after, (0.1, 0.9), strict=True)]
    return (at[1] - at[0]) * step
