"""The normal distribution's Phi and phi of a float32 number, with one exponential for both; for Numba kernels only.

    phi(x) = e^(-x^2 / 2) / sqrt(2 pi),    Phi(x) = (1 + erf(x / sqrt 2)) / 2 = the integral of phi up to x

A call of `math.erf` per element keeps every loop around it scalar, seven times slower than this polynomial (the form is
that of Abramowitz & Stegun 1964, 7.1.26):

    Phi(-a) = e^(-a^2 / 2) (P1 t + P2 t^2 + ... + P8 t^8),    t = 1 / (1 + 0.3 a),    a >= 0,    Phi(a) = 1 - Phi(-a)

Its coefficients make the largest relative error for a from 0 to 13.3 as small as it can be, 1.3e-7 (a minimax
polynomial); below -13.3 float32's exponential is 0. In all, Phi and phi are right to 2e-7, and in relation to their own
size to 5e-6 even where they are as small as 1e-30: there the rounding of a^2 counts. float64 keeps `math.erfc`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from minisd_kernels.fast_exp import exp

_P8, _P7, _P6, _P5 = np.float32(0.03603634), np.float32(-0.15871375), np.float32(0.20896485), np.float32(-0.05609612)
_P4, _P3, _P2, _P1 = np.float32(0.12984355), np.float32(0.09952302), np.float32(0.1208169), np.float32(0.11962517)
_P, _HALF, _ONE, _ZERO = np.float32(0.3), np.float32(0.5), np.float32(1), np.float32(0)
_DENSITY_OF_0 = 1 / math.sqrt(2 * math.pi)
_DENSITY_OF_0_FLOAT32 = np.float32(_DENSITY_OF_0)


@njit(fastmath={"contract"}, error_model="numpy")
def _normal_float32(x: Any) -> Any:
    a = abs(x)
    bell = exp(-_HALF * a * a)
    t = _ONE / (_ONE + _P * a)
    p = ((((((_P8 * t + _P7) * t + _P6) * t + _P5) * t + _P4) * t + _P3) * t + _P2) * t + _P1
    tail = bell * p * t
    return (_ONE - tail if x >= _ZERO else tail), bell * _DENSITY_OF_0_FLOAT32


def normal(x: Any) -> Any:
    """Phi(x) and phi(x) of a number."""
    return math.erfc(-x / math.sqrt(2)) / 2, math.exp(-x * x / 2) * _DENSITY_OF_0


@overload(normal)
def _choose_normal(x: Any) -> Any:
    def narrow(x: Any) -> Any:
        return _normal_float32(x)

    def wide(x: Any) -> Any:
        return math.erfc(-x / math.sqrt(2)) / 2, math.exp(-x * x / 2) * _DENSITY_OF_0

    return narrow if x == types.float32 else wide
