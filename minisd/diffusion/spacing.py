"""Which noise levels a sampler visits: `steps` of them, and at last the clean picture.

A spacing is a function (schedule, steps, t_start) -> levels, falling; a new one is a function here and a line in
SPACINGS. "trailing", "leading" and "linspace" space t (Lin et al. 2024, table 2), "karras" and "exponential" the ratio
sigma / alpha, which lets the steps become finer where there is little noise left.

Differs: with DPM-Solver and UniPC diffusers leaves out the t = 0 of "leading" and "linspace". The step to it is very
long in ln(alpha / sigma), and a polynomial through the past leads astray there; with these samplers "trailing" is
better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minisd.diffusion.schedule import CLEAN, NoiseLevel, NoiseSchedule

Spacing: TypeAlias = Callable[[NoiseSchedule, int, int], list[NoiseLevel]]

MOST_NOISE = 80.0  # sigma / alpha above which x_t is as good as pure noise (sigma_max of Karras et al. 2022, table 1)


def timesteps(T: int, steps: int) -> list[int]:
    """The `steps` values of t that sampling visits, evenly spaced downwards from T-1 (Lin et al. 2024, "trailing").

    Starting at T-1, where training saw pure noise, is what makes x_T ~ N(0, 1) the right start.
    Differs: Stable Diffusion 1.x starts one stride short of T, where a trace of signal is left.

    >>> timesteps(1000, 5)
    [999, 799, 599, 399, 199]
    """
    return [round(T * k / steps) - 1 for k in range(steps, 0, -1)]


def trailing(schedule: NoiseSchedule, steps: int, t_start: int) -> list[NoiseLevel]:
    """From t_start down in even strides, the last of which ends at the clean picture."""
    return [*map(schedule.level, timesteps(t_start + 1, steps)), CLEAN]


def leading(schedule: NoiseSchedule, steps: int, t_start: int) -> list[NoiseLevel]:
    """Whole strides up from t = 0, so that the first t lies below t_start.

    Differs: Stable Diffusion 1.x adds 1 to every t.
    """
    stride = (t_start + 1) // steps
    return [*(schedule.level(stride * k) for k in range(steps - 1, -1, -1)), CLEAN]


def linspace(schedule: NoiseSchedule, steps: int, t_start: int) -> list[NoiseLevel]:
    """From t_start to 0 in even strides, most t fractional, and from 0 to the clean picture."""
    return [*(schedule.level(float(t)) for t in np.linspace(t_start, 0, steps)), CLEAN]


def karras(schedule: NoiseSchedule, steps: int, t_start: int) -> list[NoiseLevel]:
    """The ratio's seventh root falls in even strides (Karras et al. 2022, eq. 5 with rho = 7)."""
    first, last = _ends(schedule, t_start)
    return [*map(schedule.level_of, (np.linspace(first ** (1 / 7), last ** (1 / 7), steps) ** 7).tolist()), CLEAN]


def exponential(schedule: NoiseSchedule, steps: int, t_start: int) -> list[NoiseLevel]:
    """The ratio's logarithm falls in even strides: each step removes the same share of the noise."""
    first, last = _ends(schedule, t_start)
    return [*map(schedule.level_of, np.geomspace(first, last, steps).tolist()), CLEAN]


def _ends(schedule: NoiseSchedule, t_start: int) -> tuple[float, float]:
    return min(schedule.level(t_start).ratio, MOST_NOISE), schedule.level(0).ratio


SPACINGS: dict[str, Spacing] = {
    "trailing": trailing,
    "leading": leading,
    "linspace": linspace,
    "karras": karras,
    "exponential": exponential,
}


def make_levels(
    schedule: NoiseSchedule, steps: int, *, spacing: str = "trailing", t_start: int | None = None
) -> list[NoiseLevel]:
    """The levels of `steps` steps from t_start, or from all noise, to the clean picture: steps + 1 of them.

    A spacing may begin below all noise, and noise of N(0, 1) is taken for that. But a picture that was noised to
    t_start has the noise of t_start, so there the first level is that one, whatever the spacing.

    Raises:
        ValueError: no spacing has this name, an impossible t_start, or fewer than 1 or more than t_start + 1 steps.

    >>> from minisd.diffusion.schedule import make_schedule
    >>> [level.t for level in make_levels(make_schedule("cosine"), 4)]
    [999, 749, 499, 249, -1]
    """
    if spacing not in SPACINGS:
        raise ValueError(f"no spacing is called {spacing!r}; choose one of {', '.join(SPACINGS)}")
    first = schedule.steps - 1 if t_start is None else t_start
    if not 0 <= first < schedule.steps:
        raise ValueError(f"sampling: t_start must lie in 0..{schedule.steps - 1}, got {first}")
    times = first + 1
    if not 1 <= steps <= times:
        raise ValueError(f"sampling: wanted 1..{times} steps (there are {times} times t to visit), got {steps}")
    levels = SPACINGS[spacing](schedule, steps, first)
    return levels if t_start is None else [schedule.level(t_start), *levels[1:]]
