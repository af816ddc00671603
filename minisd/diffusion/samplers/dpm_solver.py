"""DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2): DDIM with a line through the last two x_0.

In lambda = ln(alpha / sigma) the way to a fixed x_0 is known exactly, and only the change of x_0 has to be guessed:
second order for one call of the model a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def towards(x_t: Array, x_0: Array, level: NoiseLevel, level_prev: NoiseLevel) -> Array:
    """x_prev = sigma_prev / sigma x_t - alpha_prev (e^-h - 1) x_0, where h = lambda_prev - lambda.

    Exact for an x_0 that stays; with the predicted one this is DDIM's step (Lu et al. 2022, section 4.1).

    Shapes: x_t, x_0 and the result (B, H, W, C).
    """
    h = level_prev.half_log_snr - level.half_log_snr
    return level_prev.sigma / level.sigma * x_t - level_prev.alpha * math.expm1(-h) * x_0


def on_the_line(x_0_pred: Array, x_0_before: Array, before: NoiseLevel, level: NoiseLevel, prev: NoiseLevel) -> Array:
    """D = x_0 + (x_0 - x_0_before) / 2r, with r = h_before / h (algorithm 2): the line through both, half a step on.

    The last step, to the clean picture, is infinitely long in lambda: it takes x_0 itself.

    Shapes: x_0_pred, x_0_before and the result (B, H, W, C).
    """
    if prev.sigma == 0:
        return x_0_pred
    h, h_before = prev.half_log_snr - level.half_log_snr, level.half_log_snr - before.half_log_snr
    return x_0_pred + h / (2 * h_before) * (x_0_pred - x_0_before)


def dpm_solver(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample by DPM-Solver++(2M)."""
    x_t, last = x_T, None
    for level, level_prev in pairwise(levels):
        x_0_pred, _ = denoise(x_t, level)
        D = x_0_pred if last is None else on_the_line(x_0_pred, *last, level, level_prev)
        x_t = towards(x_t, D, level, level_prev)
        last = x_0_pred, level
        yield x_t, x_0_pred
