"""Euler's method (Karras et al. 2022, algorithm 1 without the correction): a step along the tangent.

Its step is DDIM's with eta = 0: the tangent leads straight from x_t to x_0. What is called Euler in programs for Stable
Diffusion differs from what is called DDIM there by the noise levels that are visited, see ``spacing.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.coordinates import straight
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def slope(x: Array, x_0_pred: Array, s: float) -> Array:
    """d = (x - x_0) / s, the derivative of x = x_t / scale by s (Karras et al. 2022, algorithm 1, line 4).

    Shapes: x, x_0_pred and the result (B, H, W, C).
    """
    return (x - x_0_pred) / s


def euler_step(x: Array, d: Array, s: float, s_prev: float) -> Array:
    """x_prev = x + (s_prev - s) d (Karras et al. 2022, algorithm 1, line 5).

    Shapes: x, d and the result (B, H, W, C).
    """
    return x + (s_prev - s) * d


def euler(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample by Euler's method."""
    x_t, coordinates = x_T, straight(levels)
    for level, level_prev in pairwise(levels):
        (scale, s), (scale_prev, s_prev) = coordinates(level), coordinates(level_prev)
        x_0_pred, _ = denoise(x_t, level)
        x = x_t / scale
        x_t = scale_prev * euler_step(x, slope(x, x_0_pred, s), s, s_prev)
        yield x_t, x_0_pred
