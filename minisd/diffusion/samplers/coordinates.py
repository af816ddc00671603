"""In which coordinates the way from noise to a picture is nearly straight: samplers of ordinary differential equations.

    x_t / scale = x_0 + s d,        d = (x_t / scale - x_0) / s = derivative of x_t / scale by s

    coordinates   scale           s                         d
    karras        alpha           sigma / alpha             noise          (Karras et al. 2022, eq. 3 and algorithm 1)
    flow          alpha + sigma   sigma / (alpha + sigma)   noise - x_0    (Lipman et al. 2023; Liu et al. 2023)

Both follow the same way, and as long as x_0 stays what it is both are straight, so Euler's step is the same in both.
Methods of higher order differ. Karras et al. found theirs best, but where a way begins at nothing but noise alpha is 0,
and s infinite. The coordinates of flow matching go from 1 to 0 there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from minisd.diffusion.schedule import NoiseLevel

Coordinates: TypeAlias = Callable[[NoiseLevel], tuple[float, float]]  # level -> (scale, s)

ALL_NOISE = 1000.0  # sigma / alpha from which on no signal is left that a step could use


def karras(level: NoiseLevel) -> tuple[float, float]:
    """(scale, s) = (alpha, sigma / alpha)."""
    return level.alpha, level.ratio


def flow(level: NoiseLevel) -> tuple[float, float]:
    """(scale, s) = (alpha + sigma, sigma / (alpha + sigma))."""
    scale = level.alpha + level.sigma
    return scale, level.sigma / scale


def straight(levels: Sequence[NoiseLevel]) -> Coordinates:
    """Karras's coordinates, or flow's for a way that begins at nothing but noise."""
    return karras if levels[0].ratio < ALL_NOISE else flow
