"""DDPM, ancestral sampling (Ho et al. 2020, algorithm 2), on all T steps or a stride of them.

A stride from t to t_prev is one step of a shorter chain (Nichol & Dhariwal 2021, section 4), so the paper's equations
hold as they stand. In Ho et al.'s letters alpha_bar is our alpha^2 and 1 - alpha_bar our sigma^2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def new_noise(level: NoiseLevel, level_prev: NoiseLevel) -> tuple[float, float]:
    """alpha and sigma^2 of one forward step, x_t = alpha x_prev + sigma noise (Kingma et al. 2021, appendix A.1).

    In a chain that keeps the variance these are sqrt(1 - beta_t) and beta_t (Ho et al. 2020, eq. 2).
    """
    alpha = level.alpha / level_prev.alpha
    return alpha, level.sigma**2 - alpha**2 * level_prev.sigma**2


def posterior_sigma(level: NoiseLevel, level_prev: NoiseLevel) -> float:
    """Deviation of q(x_prev | x_t, x_0), sqrt(beta_tilde): sigma_prev / sigma sqrt(beta) (Ho et al. 2020, eq. 7)."""
    _, beta = new_noise(level, level_prev)
    return level_prev.sigma / level.sigma * math.sqrt(beta)


def ddpm_step(x_t: Array, x_0_pred: Array, noise: Array, level: NoiseLevel, level_prev: NoiseLevel) -> Array:
    """Draw x_prev from q(x_prev | x_t, x_0), with x_0 as predicted (Ho et al. 2020, eq. 6 and 7).

    The mean is the paper's eq. 11, there written by the predicted noise; the variance is beta_tilde, the smaller of the
    paper's two choices, and 0 in the last step.

    Shapes: x_t, x_0_pred, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    alpha, beta = new_noise(level, level_prev)
    mean = (  # eq. 7
        level_prev.alpha * beta / level.sigma**2 * x_0_pred + alpha * level_prev.sigma**2 / level.sigma**2 * x_t
    )
    return mean + posterior_sigma(level, level_prev) * noise  # eq. 6


def ddpm(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample by DDPM (Ho et al. 2020, algorithm 2)."""
    x_t = x_T
    for level, level_prev in pairwise(levels):
        x_0_pred, _ = denoise(x_t, level)
        x_t = ddpm_step(x_t, x_0_pred, fresh_noise(), level, level_prev)
        yield x_t, x_0_pred
