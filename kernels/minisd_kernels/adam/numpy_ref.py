"""AdamW in NumPy: the equation.

`size` is lr / (1 - beta1^step), `scale` 1 / sqrt(1 - beta2^step), `decay` lr weight_decay.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    size: float,
    scale: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    grad_scale: float,
) -> None:
    grad = grad_scale * grad
    m[:] = beta1 * m + (1 - beta1) * grad
    v[:] = beta2 * v + (1 - beta2) * grad * grad
    param -= size * m / (np.sqrt(v) * scale + eps) + decay * param


def squared_length(grad: Any) -> Any:
    return np.square(grad, dtype=np.float64).sum()


def average(mean: Any, param: Any, rate: float) -> None:
    mean += rate * (param - mean)
