"""Data x_0 ~ N(MEAN, SD^2), whose best model is known: x_0 and x_t are Gaussian together, so E[x_0 | x_t] is linear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from strategies import Array

from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.samplers.interface import Denoise
from minisd.diffusion.schedule import NoiseLevel

MEAN, SD = 0.3, 0.5


def spread(level: NoiseLevel) -> float:
    """The standard deviation of x_t."""
    return math.hypot(level.alpha * SD, level.sigma)


def denoise(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
    """E[x_0 | x_t] and E[noise | x_t]."""
    deviation = (x_t - level.alpha * MEAN) / spread(level) ** 2
    return MEAN + level.alpha * SD**2 * deviation, level.sigma * deviation


def on_its_way(z: float, level: NoiseLevel) -> Array:
    """Where the differential equation leads a point that begins z standard deviations above the mean: it stays that."""
    return np.full((1, 1, 1, 1), level.alpha * MEAN + spread(level) * z)


def moments(
    sampler: str, levels: Sequence[NoiseLevel], denoise: Denoise = denoise, **options: Any
) -> tuple[float, float]:
    """Mean and variance of what a sampler makes of the right x_T; exact, without drawing a number.

    All is linear here, x = c + a x_T + sum_k b_k noise_k, so one sample that begins at 1, and one for each noise that
    is 1, beside one where all is 0, tell the coefficients.
    """
    n = len(levels) - 1
    x_T = np.zeros((n + 2, 1, 1, 1))
    x_T[1] = 1
    drawn = iter(range(n))

    def fresh_noise() -> Array:
        noise = np.zeros_like(x_T)
        noise[2 + next(drawn)] = 1
        return noise

    *_, (x, _) = SAMPLERS[sampler](denoise, x_T, levels, fresh_noise, **options)
    c, a, *b = x.ravel()
    start = levels[0]
    return float(a * start.alpha * MEAN + (1 - start.alpha * MEAN) * c), float(
        (a - c) ** 2 * spread(start) ** 2 + sum((each - c) ** 2 for each in b)
    )
