"""Consistency: from any place on the way to its end in one step (Song et al. 2023, "Consistency models").

    f(x_t, t) = x_0, where the way ends that a sampler without fresh noise takes from x_t         (their section 3)

A diffusion model answers with the mean of all x_0 that x_t may have come from, and near pure noise that is no picture.
A network that answers with f draws in one evaluation. It predicts as before, noise and x_0 or a mixture of both, but
what makes the reading of its prediction come out at f: see ``leading_to``.

In several steps (their algorithm 1) each end is noised again, to the next lower level, and asked anew:

    x_0 = f(x_t, t),        x_s = alpha_s x_0 + sigma_s noise,  noise ~ N(0, 1)

For an exact f all x_s have the distribution of noised pictures, and one step is as good as ten. What a first guess gets
wrong is drowned in that noise, so that a network gets better with the steps.

Gaussian data x_0 ~ N(m, s^2) has an f that is known. Its way keeps a point as many standard deviations from the mean:

    f(x_t, t) = m + s (x_t - alpha m) / sqrt(alpha^2 s^2 + sigma^2)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from minisd.diffusion.prediction import target
from minisd.diffusion.samplers.interface import Denoise, FreshNoise, Steps
from minisd.diffusion.schedule import Array, NoiseLevel


def leading_to(prediction: str, x_0: Array, x_t: Array, alpha: Any, sigma: Any) -> Array:
    """What a network has to predict at x_t for its reading to be x_0: target() with the noise that leads from one to
    the other, (x_t - alpha x_0) / sigma.

    Shapes: x_0, x_t and the result (B, H, W, C); alpha and sigma floats, or (B, 1, 1, 1), see NoiseSchedule.rates.

    Raises:
        ValueError: no prediction has this name.

    >>> import numpy as np
    >>> from minisd.diffusion.prediction import x_0_and_noise
    >>> predicted = leading_to("v", np.array([0.5]), np.array([2.0]), 0.6, 0.8)
    >>> x_0_and_noise("v", predicted, np.array([2.0]), 0.6, 0.8)
    (array([0.5]), array([2.125]))
    """
    return target(prediction, x_0, (x_t - alpha * x_0) / sigma, alpha, sigma)


def multistep(denoise: Denoise, x_T: Array, levels: Sequence[NoiseLevel], fresh_noise: FreshNoise) -> Steps:
    """Sample from a network that knows the ends of the ways (Song et al. 2023, algorithm 1).

    It has a sampler's interface and is not one of SAMPLERS: from the means that a diffusion model answers with it would
    draw too little variety.
    """
    x_t = x_T
    for level, level_prev in pairwise(levels):
        x_0_pred, _ = denoise(x_t, level)
        x_t = x_0_pred
        if level_prev.sigma > 0:
            x_t = level_prev.alpha * x_0_pred + level_prev.sigma * fresh_noise()
        yield x_t, x_0_pred
