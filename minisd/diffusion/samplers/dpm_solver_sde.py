"""SDE-DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095): DPM-Solver++(2M) with DDPM's fresh noise.

Without the line through the last two x_0 its step is DDPM's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.dpm_solver import on_the_line
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def dpm_solver_sde_step(x_t: Array, x_0: Array, noise: Array, level: NoiseLevel, level_prev: NoiseLevel) -> Array:
    """x_prev = sigma_prev / sigma e^-h x_t + alpha_prev (1 - e^-2h) x_0 + sigma_prev sqrt(1 - e^-2h) noise.

    h = lambda_prev - lambda. Exact for an x_0 that stays, like DPM-Solver++'s step: the old noise decays twice as fast,
    and fresh noise fills the gap.

    Shapes: x_t, x_0, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    h = level_prev.half_log_snr - level.half_log_snr
    replaced = -math.expm1(-2 * h)  # the share of the noise's variance
    return (
        level_prev.sigma / level.sigma * math.exp(-h) * x_t
        + level_prev.alpha * replaced * x_0
        + level_prev.sigma * math.sqrt(replaced) * noise
    )


def dpm_solver_sde(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample by SDE-DPM-Solver++(2M)."""
    x_t, last = x_T, None
    for level, level_prev in pairwise(levels):
        x_0_pred, _ = denoise(x_t, level)
        D = x_0_pred if last is None else on_the_line(x_0_pred, *last, level, level_prev)
        x_t = dpm_solver_sde_step(x_t, D, fresh_noise(), level, level_prev)
        last = x_0_pred, level
        yield x_t, x_0_pred
