"""DDIM (Song et al. 2021): the same model as DDPM in far fewer steps, by default without fresh noise.

With eta = 0 the picture is a function of x_T: a first-order solution of an ordinary differential equation. With
eta = 1 the steps are DDPM's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseSchedule


def ddim_step(
    x_0_pred: Array, noise_pred: Array, noise: Array, alpha_bar: float, alpha_bar_prev: float, eta: float
) -> Array:
    """Put together x_prev from its three parts: the predicted x_0, the direction to x_t, fresh noise.

    Song et al. 2021, eq. 12 (their alpha is our alpha_bar) with sigma by eq. 16.

    Shapes: x_0_pred, noise_pred, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    sigma = eta * math.sqrt((1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_prev))  # eq. 16
    direction = math.sqrt(1 - alpha_bar_prev - sigma**2) * noise_pred
    return math.sqrt(alpha_bar_prev) * x_0_pred + direction + sigma * noise  # eq. 12


def ddim(
    denoise: Denoise,
    x_T: Array,
    schedule: NoiseSchedule,
    timesteps: Sequence[int],
    fresh_noise: FreshNoise,
    eta: float = 0.0,
) -> Steps:
    """Sample by DDIM (Song et al. 2021, section 4.1); eta in 0..1 is the share of DDPM's fresh noise.

    Raises:
        ValueError: eta outside 0..1.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"ddim: wanted eta in 0..1 (0: no fresh noise, 1: as much as DDPM), got {eta}")
    x_t = x_T
    for t, t_prev in pairwise([*timesteps, -1]):
        x_0_pred, noise_pred = denoise(x_t, t)
        noise = fresh_noise() if eta > 0 else 0.0
        x_t = ddim_step(x_0_pred, noise_pred, noise, schedule.alpha_bar_at(t), schedule.alpha_bar_at(t_prev), eta)
        yield x_t, x_0_pred
