"""Heun's method (Karras et al. 2022, algorithm 1): the mean of the slopes at both ends of a step. Of second order.

The model is asked twice a step, so 8 steps cost as much as 16 of Euler's. Differs: without the paper's churn, which
adds noise on the way (its algorithm 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.coordinates import straight
from minisd.diffusion.samplers.euler import euler_step, slope
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def heun_step(x: Array, d: Array, d_prev: Array, s: float, s_prev: float) -> Array:
    """x_prev = x + (s_prev - s) (d + d_prev) / 2 (Karras et al. 2022, algorithm 1, line 8).

    Shapes: x, the slopes d and d_prev, and the result (B, H, W, C).
    """
    return x + (s_prev - s) * (d + d_prev) / 2


def heun(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample by Heun's method; the last step, where the slope at the end is 0 / 0, is Euler's (line 6)."""
    x_t, coordinates = x_T, straight(levels)
    for level, level_prev in pairwise(levels):
        (scale, s), (scale_prev, s_prev) = coordinates(level), coordinates(level_prev)
        x_0_pred, _ = denoise(x_t, level)
        x = x_t / scale
        d = slope(x, x_0_pred, s)
        x_prev = euler_step(x, d, s, s_prev)
        if s_prev > 0:
            x_0_there, _ = denoise(scale_prev * x_prev, level_prev)
            x_prev = heun_step(x, d, slope(x_prev, x_0_there, s_prev), s, s_prev)
        x_t = scale_prev * x_prev
        yield x_t, x_0_pred
