"""Samplers side by side, on the clouds of ``toy.py``: where each one's paths lead, and how far from the exact ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import Array, NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.diffusion.toy import CLOUDS, Clouds

SCHEDULE = make_schedule("cosine")  # that of the model that comes with minisd
STARTS = np.array([[-0.2, 1.6], [0.1, -1.5], [1.6, 0.6], [-1.3, -1.0], [-0.9, 1.3], [0.55, 0.05]])  # whose paths turn


@dataclass(frozen=True, eq=False)
class Walk:
    """What a sampler made of some points.

    Attributes:
        paths: x_t at every level, (levels, B, 2).
        calls: how often the model was asked.
        random: it drew fresh noise, so its ends are not those of the differential equation.
    """

    paths: Array
    calls: int
    random: bool

    def off(self, exact: Array) -> float:
        """The median distance of the ends from the exact ones, (B, 2)."""
        return float(np.median(np.linalg.norm(self.paths[-1] - exact, axis=1)))

    def width(self, clouds: Clouds) -> float:
        """How wide the ends lie about the nearest cloud's mean, in the cloud's own deviations: 1 is right."""
        away = np.linalg.norm(self.paths[-1][:, None] - clouds.means, axis=2).min(axis=1)
        return float(np.sqrt((away**2).mean() / 2) / clouds.deviation)


def walk(sampler: str, levels: Sequence[NoiseLevel], x_T: Array, clouds: Clouds = CLOUDS) -> Walk:
    """Lead the points x_T (B, 2) through the levels."""
    asked, drawn = [], []
    rng = np.random.default_rng(0)

    def denoise(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        asked.append(level)
        return clouds.denoise(x_t, level)

    def fresh_noise() -> Array:
        drawn.append(rng.standard_normal(x_T.shape))
        return drawn[-1]

    paths = [x_T, *(x for x, _ in SAMPLERS[sampler](denoise, x_T, levels, fresh_noise))]
    return Walk(np.stack(paths), len(asked), bool(drawn))


@dataclass(frozen=True)
class Row:
    """One sampler's line of the table.

    Attributes:
        same_as: an earlier sampler whose paths these are, if there is one.
        off: for each number of steps how far the ends lie from the exact ones; None for random paths, which have none.
        order: how fast that falls, log2 of the last ratio over log2 of the steps'.
    """

    sampler: str
    calls: int
    same_as: str | None
    off: list[float] | None
    order: float | None
    width: float


def start_points(count: int = 400) -> Array:
    """Points of N(0, 1) in the plane, (count, 2); the first ones are STARTS."""
    return np.concatenate([STARTS, np.random.default_rng(4).standard_normal((count, 2))])[:count]


def compare(steps: Sequence[int], spacing: str = "trailing") -> tuple[dict[str, Walk], Walk, list[Row]]:
    """Every sampler's walk in steps[0] steps, the exact one, and the table with the errors for all `steps`."""
    x_T, levels = start_points(), partial(make_levels, SCHEDULE, spacing=spacing)
    exact = walk("heun", make_levels(SCHEDULE, 1000, spacing="linspace"), x_T)
    walks: dict[str, Walk] = {}
    rows = []
    for sampler in SAMPLERS:
        first = walk(sampler, levels(steps[0]), x_T)
        same_as = next((name for name, other in walks.items() if np.allclose(other.paths, first.paths)), None)
        walks[sampler] = first
        off = order = None
        if not first.random:
            off = [walk(sampler, levels(n), x_T).off(exact.paths[-1]) for n in steps]
            (n, m), (of_n, of_m) = [*pairwise(steps)][-1], [*pairwise(off)][-1]
            order = float(np.log(of_n / of_m) / np.log(m / n))
        rows.append(Row(sampler, first.calls, same_as, off, order, first.width(CLOUDS)))
    return walks, exact, rows
