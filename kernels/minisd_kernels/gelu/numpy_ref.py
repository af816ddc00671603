"""GELU in NumPy: the equation."""

from __future__ import annotations

import math

import numpy as np

from minisd_kernels.arguments import Array

_SLOPE = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_erfc = np.frompyfunc(math.erfc, 1, 1)  # NumPy has none: slow, a call for every element


def normal(x: Array) -> tuple[Array, Array]:
    """Phi(x) and phi(x)."""
    Phi = np.asarray(_erfc(-x / math.sqrt(2)), x.dtype) / 2
    with np.errstate(over="ignore", under="ignore"):
        return Phi, np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _gate(x: Array) -> Array:
    with np.errstate(over="ignore"):  # e^-2u may be infinite: 1 / (1 + inf) is the right 0
        return 1 / (1 + np.exp(-_SLOPE * (x + _CUBIC * x * x * x)))


def forward(x: Array, exact: bool) -> Array:
    return x * (normal(x)[0] if exact else _gate(x))


def backward(grad_y: Array, x: Array, exact: bool) -> Array:
    if exact:
        Phi, phi = normal(x)
        return grad_y * (Phi + x * phi)
    s = _gate(x)
    return grad_y * (s + x * s * (1 - s) * _SLOPE * (1 + 3 * _CUBIC * x * x))
