"""Inpainting: a part of the picture is known, the rest is drawn to fit it, by a model that learned nothing of masks.

Each time the model has predicted x_0, what is known is put into the prediction, and the noise is what is then left of
x_t: noise = (x_t - alpha x_0) / sigma. Every sampler goes on from there, of whatever order, and the known part of x_t
stays alpha x_0 + sigma noise all the way down. That is all of it: ``sample(..., hold=...)``.

    x_0_pred <- known x_0 where the mask is 0, x_0_pred where it is 1

What is drawn fits what is known only as far as the model has seen both together; RePaint (Lugmayr et al. 2022) lets it
see them again and again: go down a stretch of the way, add the noise back, go down once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minisd.diffusion.schedule import Array, NoiseLevel

JUMP = 2  # steps to a stretch: the jump length j of RePaint, which takes 10 of 250


def stretches(levels: Sequence[NoiseLevel], resample: int, jump: int = JUMP) -> list[list[NoiseLevel]]:
    """The way in stretches of `jump` steps, each of them `resample` times (Lugmayr et al. 2022, section 4.2).

    Raises:
        ValueError: a resample below 1.

    >>> from minisd.diffusion.schedule import make_schedule
    >>> from minisd.diffusion.spacing import make_levels
    >>> levels = make_levels(make_schedule("cosine"), 4)
    >>> [[level.t for level in stretch] for stretch in stretches(levels, 2, jump=2)]
    [[999, 749, 499], [999, 749, 499], [499, 249, -1], [499, 249, -1]]
    """
    if resample < 1:
        raise ValueError(f"resample: wanted 1 or more, got {resample}")
    if resample == 1:
        return [list(levels)]
    starts = range(0, len(levels) - 1, jump)
    return [list(levels[start : start + jump + 1]) for start in starts for _ in range(resample)]


def back_up(x: Array, low: NoiseLevel, high: NoiseLevel, noise: Array) -> Array:
    """Add the noise that leads from one level to a noisier one: the forward process (Ho et al. 2020, eq. 2).

    Shapes: x, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    share = high.alpha / low.alpha
    return share * x + math.sqrt(max(high.sigma**2 - (share * low.sigma) ** 2, 0.0)) * noise
