"""DDPM, ancestral sampling (Ho et al. 2020, algorithm 2), on all T steps or a stride of them.

A stride from t to t_prev is one step of a shorter chain with alpha = alpha_bar_t / alpha_bar_prev and beta = 1 - alpha
(Nichol & Dhariwal 2021, section 4), so the paper's equations hold as they stand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseSchedule


def ddpm_step(x_t: Array, x_0_pred: Array, noise: Array, alpha_bar: float, alpha_bar_prev: float) -> Array:
    """Draw x_prev from q(x_prev | x_t, x_0), with x_0 as predicted (Ho et al. 2020, eq. 6 and 7).

    The mean is the paper's eq. 11, there written by the predicted noise; the variance is beta_tilde, the smaller of the
    paper's two choices, and 0 in the last step.

    Shapes: x_t, x_0_pred, noise ~ N(0, 1) and the result (B, H, W, C).
    """
    alpha = alpha_bar / alpha_bar_prev
    beta = 1 - alpha
    mean = (  # eq. 7
        math.sqrt(alpha_bar_prev) * beta / (1 - alpha_bar) * x_0_pred
        + math.sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
    )
    beta_tilde = (1 - alpha_bar_prev) / (1 - alpha_bar) * beta  # eq. 7
    return mean + math.sqrt(beta_tilde) * noise  # eq. 6


def ddpm(
    denoise: Denoise, x_T: Array, schedule: NoiseSchedule, timesteps: Sequence[int], fresh_noise: FreshNoise
) -> Steps:
    """Sample by DDPM (Ho et al. 2020, algorithm 2)."""
    x_t = x_T
    for t, t_prev in pairwise([*timesteps, -1]):
        x_0_pred, _ = denoise(x_t, t)
        x_t = ddpm_step(x_t, x_0_pred, fresh_noise(), schedule.alpha_bar_at(t), schedule.alpha_bar_at(t_prev))
        yield x_t, x_0_pred
