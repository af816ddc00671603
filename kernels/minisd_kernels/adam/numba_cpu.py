"""AdamW in Numba.

`size` is lr / (1 - beta1^step), `scale` 1 / sqrt(1 - beta2^step), `decay` lr weight_decay.
"""

from __future__ import annotations

import math
from typing import Any

from numba import prange

from minisd_kernels.compiling import jit, parallel_jit


@jit
def plain_step(
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
) -> None:
    for i in range(param.size):
        m[i] = beta1 * m[i] + (1 - beta1) * grad[i]
        v[i] = beta2 * v[i] + (1 - beta2) * grad[i] ** 2
        param[i] -= size * m[i] / (math.sqrt(v[i]) * scale + eps) + decay * param[i]


# Fast: all cores, and every factor in the buffers' own type, since a float64 factor would halve the vector width.
# One pass over one flat buffer moves 7 numbers per parameter; memory is the limit.


@parallel_jit
def _step(
    param: Any,
    grad: Any,
    m: Any,
    v: Any,
    factors: tuple[Any, Any, Any, Any, Any, Any, Any, Any],
) -> None:
    size, scale, beta1, rest1, beta2, rest2, eps, decay = factors
    for i in prange(param.size):
        m[i] = beta1 * m[i] + rest1 * grad[i]
        v[i] = beta2 * v[i] + rest2 * grad[i] * grad[i]
        param[i] -= size * m[i] / (math.sqrt(v[i]) * scale + eps) + decay * param[i]


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
) -> None:
    factors = tuple(param.dtype.type(f) for f in (size, scale, beta1, 1 - beta1, beta2, 1 - beta2, eps, decay))
    _step(param, grad, m, v, factors)
