"""UniPC (Zhao et al. 2023): a predictor, and a corrector that costs nothing.

As DPM-Solver++, in lambda = ln(alpha / sigma), with a polynomial through the last x_0. When the model has been asked at
the new level, its answer is used twice: first to correct the x_t that it was asked at (UniC, algorithm 1), then to
predict the next one (UniP, algorithm 2). The model is not asked again at the corrected x_t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from minisd.diffusion.samplers.dpm_solver import towards
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def exponential_integrals(h: float, count: int) -> list[float]:
    """h times the integral of e^(h (r - 1)) r^k over r in 0..1, for k = 0 .. count-1; these are k! phi_{k+1}, times h.

    >>> [round(value, 4) for value in exponential_integrals(1.0, 3)]
    [0.6321, 0.3679, 0.2642]
    """
    values = [-math.expm1(-h)]
    for k in range(1, count):
        values.append(1 - k / h * values[-1])  # by parts
    return values


def weights(h: float, r: Sequence[float]) -> list[float]:
    """How much each difference D_m / r_m counts, so that polynomials through all of them are integrated exactly.

    The a_m B(h) of Zhao et al. 2023, eq. 5, with their B_2: for a single difference it is B(h) / 2 instead, as the
    paper's section 3.2 allows (a_1 = 1/2).
    """
    p = len(r)
    if p == 1:
        return [-math.expm1(-h) / 2]
    powers = np.array([[r_m**k for r_m in r] for k in range(p)])
    return np.linalg.solve(powers, exponential_integrals(h, p + 1)[1:]).tolist()


def unified_step(
    x_t: Array, level: NoiseLevel, level_prev: NoiseLevel, x_0: Array, others: Sequence[tuple[NoiseLevel, Array]]
) -> Array:
    """The step from level to level_prev along the polynomial through x_0, known at `level`, and `others`.

    x_prev = sigma_prev / sigma x_t + alpha_prev ((1 - e^-h) x_0 + sum_m w_m D_m / r_m), where D_m is the difference of
    another x_0 from this one, and r_m how far away it is, in steps h: below 0 in the past (UniP), and 1 at level_prev,
    for the corrector (UniC).

    Shapes: x_t, each x_0 and the result (B, H, W, C).
    """
    x_prev = towards(x_t, x_0, level, level_prev)
    if others:
        h = level_prev.half_log_snr - level.half_log_snr
        # Over an infinite step, from pure noise, only the corrector's own difference is there, and r is 1.
        r = [1.0 if at == level_prev else (at.half_log_snr - level.half_log_snr) / h for at, _ in others]
        for w, r_m, (_, other) in zip(weights(h, r), r, others, strict=True):
            x_prev = x_prev + level_prev.alpha * w / r_m * (other - x_0)
    return x_prev


def unipc(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise, order: int = 2) -> Steps:
    """Sample by UniPC with a predictor of an order from 1 to 3; the last steps, to the clean picture, have a lower one.

    Raises:
        ValueError: another order.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"unipc: wanted an order from 1 to 3, got {order}")
    x_t = x_before = x_T
    past: list[tuple[NoiseLevel, Array]] = []  # the x_0 that the last step was predicted from, the latest last
    for index, (level, level_prev) in enumerate(pairwise(levels)):
        x_0_pred, _ = denoise(x_t, level)
        if past:
            *others, (before, x_0_before) = past
            x_t = unified_step(x_before, before, level, x_0_before, [*others, (level, x_0_pred)])
        # From pure noise every step is infinitely long in lambda, so no polynomial can reach back there.
        past = [(at, x_0) for at, x_0 in past if at.alpha > 0] + [(level, x_0_pred)]
        past = past[-min(order, len(levels) - 1 - index) :]
        x_before, x_t = x_t, unified_step(x_t, level, level_prev, x_0_pred, past[:-1])
        yield x_t, x_0_pred
