"""How often which time is trained: densities over tau in (0, 1), from the picture to the noise.

A density is given by its quantile function, share -> tau: the share of the training that lies below tau. What a
uniform share is taken to has that density. A new one is a function here and a line in TIMES.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import TypeAlias

import numpy as np

from minisd.diffusion.schedule import Array

Quantile: TypeAlias = Callable[[Array], Array]


def uniform(share: Array) -> Array:
    """All times alike (Ho et al. 2020, algorithm 1)."""
    return share


def logit_normal(share: Array, mean: float = 0.0, deviation: float = 1.0) -> Array:
    """ln(tau / (1 - tau)) ~ N(mean, deviation^2) (Esser et al. 2024, section 3.1): more of the middle.

    Halfway between picture and noise is where x_t tells least of the velocity; near the noise the best answer is the
    mean of the data, near the picture that of the noise, and both are soon learned.

    >>> logit_normal(np.array([0.1, 0.5, 0.9])).round(2).tolist()
    [0.22, 0.5, 0.78]
    """
    normal = NormalDist(mean, deviation)
    logits = [normal.inv_cdf(float(one)) for one in np.clip(share, 1e-12, 1 - 1e-12)]
    return 1 / (1 + np.exp(-np.array(logits)))


TIMES: dict[str, Quantile] = {
    "uniform": uniform,
    "logit_normal": logit_normal,
}
