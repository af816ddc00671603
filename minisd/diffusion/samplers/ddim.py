"""DDIM (Song et al. 2021): the same model as DDPM in far fewer steps, by default without fresh noise.

With eta = 0 the picture is a function of x_T: a first-order solution of an ordinary differential equation. With
eta = 1 the steps are DDPM's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.ddpm import posterior_sigma
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def ddim_step(
    x_0_pred: Array, noise_pred: Array, noise: Array, level: NoiseLevel, level_prev: NoiseLevel, eta: float
) -> Array:
    """Put together x_prev from its three parts: the predicted x_0, the direction to x_t, fresh noise.

    Song et al. 2021, eq. 12, where sqrt(alpha) is our alpha, with their sigma by eq. 16.

    Shapes: x_0_pred, noise_pred, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    fresh = eta * posterior_sigma(level, level_prev)  # eq. 16
    direction = math.sqrt(level_prev.sigma**2 - fresh**2) * noise_pred
    return level_prev.alpha * x_0_pred + direction + fresh * noise  # eq. 12


def ddim(
    denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise, eta: float = 0.0
) -> Steps:
    """Sample by DDIM (Song et al. 2021, section 4.1); eta in 0..1 is the share of DDPM's fresh noise.

    Raises:
        ValueError: eta outside 0..1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"ddim: wanted eta in 0..1 (0: no fresh noise, 1: as much as DDPM), got {eta}")
    x_t = x_T
    for level, level_prev in pairwise(levels):
        x_0_pred, noise_pred = denoise(x_t, level)
        noise = fresh_noise() if eta > 0 else 0.0
        x_t = ddim_step(x_0_pred, noise_pred, noise, level, level_prev, eta)
        yield x_t, x_0_pred
