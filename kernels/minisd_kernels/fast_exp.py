"""exp, sigmoid and maximum of one number, written so that the compiler turns the loops around them into vector code.

A call of `math.exp` per element keeps every loop around it scalar, six times slower than this polynomial:

    e^x = 2^n e^r,    n = rint(x / ln 2),    r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2]

with e^r a polynomial of relative error 1e-7 (coefficients: Moshier, Cephes library, expf.c). float64 keeps `math.exp`.

For Numba kernels only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

# Constants are float32 on purpose: a Python number would drag a float32 sum to float64 and halve the speed.
_LOG2_E = np.float32(1.44269504)
_LN2_HIGH = np.float32(0.693359375)  # so few bits that n * _LN2_HIGH is exact: r stays right for large x
_LN2_LOW = np.float32(-2.12194440e-4)
_C7, _C6, _C5 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_C4, _C3, _C2 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
_ZERO, _ONE, _INFINITY = np.float32(0), np.float32(1), np.float32(np.inf)
# Below -87 come denormal numbers, which cost the processor a hundred cycles each: the result is 0 there.
_LOWEST, _HIGHEST = np.float32(-87), np.float32(88.72)


def _add_to_exponent(typing_context: Any, value: Any, n: Any) -> Any:
    """value 2^n of a float32 and an int32: n is added to the exponent, which stands above 23 bits of fraction."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], ir.IntType(32))
        bits = builder.add(bits, builder.shl(args[1], ir.Constant(ir.IntType(32), 23)))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.float32, types.int32), code


_times_power_of_two: Any = intrinsic(_add_to_exponent)


# "reassoc" is left out: it would let the compiler put the two parts of ln 2 together again.
@njit(fastmath={"contract"}, error_model="numpy")
def _exp_float32(x: Any) -> Any:
    inside = min(max(x, _LOWEST), _HIGHEST)
    n = np.rint(inside * _LOG2_E)
    r = inside - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _C2
    y = _times_power_of_two(p * r * r + r + _ONE, np.int32(n))
    y = y if x >= _LOWEST else _ZERO
    y = y if x <= _HIGHEST else _INFINITY
    return y if x == x else x  # NaN stays NaN


def exp(x: Any) -> Any:
    """e^x: of a float32 exactly 0 below -87, infinite above 88.72; NaN stays NaN."""
    return math.exp(x)


@overload(exp)
def _choose_exp(x: Any) -> Any:
    def narrow(x: Any) -> Any:
        return _exp_float32(x)

    def wide(x: Any) -> Any:
        return math.exp(x)

    return narrow if x == types.float32 else wide


@njit(fastmath={"contract"}, error_model="numpy")
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return _ONE / (_ONE + exp(-x))


def _maximum(typing_context: Any, a: Any, b: Any) -> Any:
    """The larger of two numbers of one type, or NaN: unlike max(), LLVM takes it over a row a vector at a time."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = args[0].type
        function = builder.module.declare_intrinsic("llvm.maximum", [number], ir.FunctionType(number, [number] * 2))
        return builder.call(function, args)

    return a(a, a), code


maximum: Any = intrinsic(_maximum)
