"""exp and sigmoid of one number or of a vector, as a short polynomial; and the larger of two numbers.

A call of `math.exp` per element keeps every loop around it scalar, six times slower than this polynomial:

    e^x = 2^n e^r,    n = rint(x / ln 2),    r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2]
    e^r = 1 + r + r^2 (C2 + C3 r + ... + C6 r^4)

Its coefficients make the largest relative error on that interval as small as it can be, 3e-9 (a minimax polynomial); in
float32 rounding is left, 1e-7. The result is exactly 0 below -87.7, infinite above 88.4, and NaN of NaN. float64 keeps
`math.exp`.

For Numba kernels only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from minisd_kernels.vectors import LANES, maximum, minimum, vector_type

# Constants are float32 on purpose: a Python number would drag a float32 sum to float64 and halve the speed.
_LOG2_E = np.float32(1.44269504)
_LN2_HIGH = np.float32(0.693359375)  # so few bits that n * _LN2_HIGH is exact: r stays right for large x
_LN2_LOW = np.float32(-2.12194440e-4)
_C6, _C5, _C4 = np.float32(1.38145e-3), np.float32(8.36875e-3), np.float32(4.166839e-2)
_C3, _C2 = np.float32(1.666652e-1), np.float32(4.9999993e-1)
_ONE = np.float32(1)
# Outside, n would not fit an exponent; here it is -127 at the lowest, which means 0, and 128 at the highest, infinity.
_LOWEST, _HIGHEST = np.float32(-88), np.float32(89)
# From 2^23 to 2^24 the float32 numbers are the whole ones: adding rounds to one, whose last bits are then n + 127.
_ROUND = np.float32(1.5 * 2**23 + 127)


def _power(typing_context: Any, rounded: Any) -> Any:
    """2^n of n + _ROUND: n + 127 stands in the last bits, and moves up 23 bits to where the exponent stands."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        integer, places = ir.IntType(32), ir.Constant(ir.IntType(32), 23)
        if rounded == vector_type:
            integer, places = ir.VectorType(integer, LANES), ir.Constant(ir.VectorType(integer, LANES), [23] * LANES)
        return builder.bitcast(builder.shl(builder.bitcast(args[0], integer), places), args[0].type)

    return rounded(rounded), code


_power_of_two: Any = intrinsic(_power)


# "reassoc" is left out: it would let the compiler cancel _ROUND, and put the two parts of ln 2 together again.
@njit(fastmath={"contract"}, error_model="numpy")
def _exp_float32(x: Any) -> Any:
    inside = minimum(_HIGHEST, maximum(_LOWEST, x))  # in this order NaN stays NaN
    rounded = inside * _LOG2_E + _ROUND
    n = rounded - _ROUND
    r = inside - n * _LN2_HIGH - n * _LN2_LOW
    p = (((_C6 * r + _C5) * r + _C4) * r + _C3) * r + _C2
    return ((p * r + _ONE) * r + _ONE) * _power_of_two(rounded)


def exp(x: Any) -> Any:
    """e^x of a number or of a vector."""
    return math.exp(x)


@overload(exp)
def _choose_exp(x: Any) -> Any:
    def narrow(x: Any) -> Any:
        return _exp_float32(x)

    def wide(x: Any) -> Any:
        return math.exp(x)

    return narrow if x in (types.float32, vector_type) else wide


@njit(fastmath={"contract"}, error_model="numpy")
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x) of a number or of a vector."""
    return _ONE / (_ONE + exp(-x))


def _nan_maximum(typing_context: Any, a: Any, b: Any) -> Any:
    """The larger of two numbers of one type, or NaN: unlike max(), LLVM takes it over a row a vector at a time."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = args[0].type
        function = builder.module.declare_intrinsic("llvm.maximum", [number], ir.FunctionType(number, [number] * 2))
        return builder.call(function, args)

    return a(a, a), code


nan_maximum: Any = intrinsic(_nan_maximum)
