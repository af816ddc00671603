"""Euler ancestral ("Euler a" of k-diffusion): Euler's step goes down too far, and fresh noise brings it up again.

Its step is DDIM's with eta = 1, and so DDPM's, in Karras et al.'s letters. Programs for Stable Diffusion visit other
noise levels with it than with DDPM. The pictures never settle: with more steps, they become others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def down_and_up(ratio: float, ratio_prev: float) -> tuple[float, float]:
    """The ratio sigma / alpha that Euler's step goes down to, and that of the noise which is then added.

    Their squares add up to ratio_prev^2, since independent noises do; up^2 = ratio_prev^2 (1 - ratio_prev^2 / ratio^2)
    is the variance of Song et al. 2021, eq. 16, with eta = 1.

    >>> down_and_up(2.0, 1.0)
    (0.5, 0.8660254037844386)
    """
    up = ratio_prev * math.sqrt(1 - (ratio_prev / ratio) ** 2)
    return ratio_prev * (ratio_prev / ratio), up


def euler_ancestral_step(
    x_0_pred: Array, noise_pred: Array, noise: Array, level: NoiseLevel, level_prev: NoiseLevel
) -> Array:
    """Euler's step down, noise on top: x_t / alpha = x_0 + ratio noise_pred falls to x_0 + down noise_pred.

    Shapes: x_0_pred, noise_pred, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    down, up = down_and_up(level.ratio, level_prev.ratio)
    return level_prev.alpha * (x_0_pred + down * noise_pred + up * noise)


def euler_ancestral(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample by Euler's method with ancestral noise."""
    x_t = x_T
    for level, level_prev in pairwise(levels):
        x_0_pred, noise_pred = denoise(x_t, level)
        x_t = euler_ancestral_step(x_0_pred, noise_pred, fresh_noise(), level, level_prev)
        yield x_t, x_0_pred
