"""What a model may predict, and how x_0 and the noise are read from it.

    x_t = alpha x_0 + sigma noise
    predicted = a x_0 + b noise

Every kind of prediction is such a mixture, a row of PREDICTIONS. The two lines are two equations for x_0 and noise, and
Cramer's rule solves them, with the determinant d = alpha b - sigma a:

    x_0 = (b x_t - sigma predicted) / d,        noise = (alpha predicted - a x_t) / d

    prediction   a       b      d                  source
    noise        0       1      alpha              Ho et al. 2020, eq. 14 and 15
    x_0          1       0      -sigma             Karras et al. 2022, eq. 2 and 3
    v            -sigma  alpha  alpha^2 + sigma^2  Salimans & Ho 2022, section 4 and appendix D
    velocity     -1      1      alpha + sigma      Lipman et al. 2023, eq. 23; Liu et al. 2023, eq. 1

Where d is small a model's error is magnified: "noise" says little of x_0 near pure noise (alpha = 0), "x_0" little of
the noise near the clean picture. With v and velocity, d is never small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minisd.diffusion.schedule import Array

# (alpha, sigma) -> (a, b)
PREDICTIONS: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "noise": lambda alpha, sigma: (0.0, 1.0),
    "x_0": lambda alpha, sigma: (1.0, 0.0),
    "v": lambda alpha, sigma: (-sigma, alpha),
    "velocity": lambda alpha, sigma: (-1.0, 1.0),
}


def mixture(prediction: str, alpha: Any, sigma: Any) -> tuple[Any, Any]:
    """The a and b of predicted = a x_0 + b noise.

    Raises:
        ValueError: no prediction has this name.
    """
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"a model predicts one of {', '.join(PREDICTIONS)}, not {prediction!r}; give the kind it was trained with"
        )
    return PREDICTIONS[prediction](alpha, sigma)


def target(prediction: str, x_0: Array, noise: Array, alpha: Any, sigma: Any) -> Array:
    """What the model is trained to predict: a x_0 + b noise.

    Shapes: x_0, noise and the result (B, H, W, C); alpha and sigma floats, or (B, 1, 1, 1), see NoiseSchedule.rates.

    Raises:
        ValueError: no prediction has this name.

    >>> target("velocity", np.array([2.0]), np.array([3.0]), 0.6, 0.4)
    array([1.])
    """
    a, b = mixture(prediction, alpha, sigma)
    return a * x_0 + b * noise


def x_0_and_noise(prediction: str, predicted: Array, x_t: Array, alpha: Any, sigma: Any) -> tuple[Array, Array]:
    """The x_0 and the noise behind a prediction, which add up to x_t.

    Shapes: as target.

    Raises:
        ValueError: no prediction has this name, or this one does not tell x_0 from noise at this alpha and sigma.

    >>> x_0_and_noise("v", np.array([1.0]), np.array([2.0]), 0.8, 0.6)
    (array([1.]), array([2.]))
    """
    a, b = mixture(prediction, alpha, sigma)
    d = alpha * b - sigma * a
    if np.any(d == 0):
        raise ValueError(
            f"a predicted {prediction} does not tell x_0 from noise where alpha is {alpha} and sigma {sigma}; "
            "have the model predict v or velocity"
        )
    # Factors first: they are floats in sampling, and the arrays are passed over as few times as can be.
    return b / d * x_t - sigma / d * predicted, alpha / d * predicted - a / d * x_t
