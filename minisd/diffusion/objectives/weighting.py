"""How much which time counts in the loss.

A model's error in its prediction is an error in x_0, sigma / d times as large, with the d of ``prediction.py``. So a
weight on x_0's squared error is a weight on the model's own:

    w |x_0 - x_0_pred|^2 = w (sigma / d)^2 |target - predicted|^2

    prediction   (sigma / d)^2                  for w = min(SNR, gamma), SNR = (alpha / sigma)^2
    noise        sigma^2 / alpha^2              min(SNR, gamma) / SNR
    x_0          1                              min(SNR, gamma)
    v            sigma^2 / (alpha^2 + sigma^2)  min(SNR, gamma) / (SNR + 1)
    velocity     sigma^2 / (alpha + sigma)^2    min(SNR, gamma) / (sqrt(SNR) + 1)^2

Unweighted, the objectives differ by just this: noise weighs x_0's error by SNR, v by SNR + 1, flow by (sqrt(SNR) +
1)^2, and x_0 by 1. How often a time is drawn is a weight, too. By both, over lambda = ln(alpha / sigma), the weight on
x_0's error is e^lambda for flow with uniform times and, but for a constant, for v on the cosine schedule; on that
schedule noise has alpha^2 of it, and x_0 sigma^2 (Kingma & Gao 2023). A new weighting is a function here and a line in
WEIGHTINGS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minisd.diffusion.prediction import mixture
from minisd.diffusion.schedule import Array

Weighting: TypeAlias = Callable[[str, Array, Array], Array]  # (prediction, alpha, sigma) -> of the model's own error


def none(prediction: str, alpha: Array, sigma: Array) -> Array:
    """The model's own squared error as it is: L_simple (Ho et al. 2020, eq. 14)."""
    return np.ones_like(alpha)


def min_snr(prediction: str, alpha: Array, sigma: Array, gamma: float = 5.0) -> Array:
    """min(SNR, gamma) on x_0's squared error, whatever is predicted (Hang et al. 2023, Min-SNR-gamma).

    The steps pull against each other, and the clean ones, where SNR is large and little is left to do, pull most; they
    are held to gamma. Good where noise is predicted, or v; pictures' details, which are drawn there, count less.

    Shapes: alpha, sigma and the result (B,).

    >>> min_snr("noise", np.array([0.6, 0.96]), np.array([0.8, 0.28])).round(3).tolist()  # SNR 0.5625 and 11.8
    [1.0, 0.425]
    """
    a, b = mixture(prediction, alpha, sigma)
    # min(SNR, gamma) (sigma / d)^2, without a division by sigma, of which the clean times have next to nothing.
    return np.minimum(alpha**2, gamma * sigma**2) / (alpha * b - sigma * a) ** 2


WEIGHTINGS: dict[str, Weighting] = {
    "none": none,
    "min-snr": min_snr,
}
