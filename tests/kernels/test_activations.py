"""ReLU, SiLU, GELU and softmax against loops, at huge numbers and NaN; the polynomial behind them against math.exp."""

from __future__ import annotations

import math
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from minisd_kernels import geglu, gelu, relu, silu, softmax
from minisd_kernels.gelu import numba_cpu as gelu_numba
from minisd_kernels.shapes import ShapeError
from minisd_kernels.silu import numba_cpu as silu_numba
from minisd_kernels.softmax import numba_cpu as softmax_numba
from strategies import Array, Arrays, arrays, each_backend, few, run


def with_option(operation: ModuleType, **option: Any) -> SimpleNamespace:
    """Both directions of an operation with an option."""
    return SimpleNamespace(forward=partial(operation.forward, **option), backward=partial(operation.backward, **option))


shapes = st.sampled_from([(1,), (7,), (3, 5), (2, 3, 2, 4)])
each_activation = pytest.mark.parametrize(
    ("activation", "oracle"),
    [
        (relu, oracles.relu),
        (silu, oracles.silu),
        (with_option(silu, slope=1.702), oracles.quick_gelu),
        (gelu, oracles.gelu),
        (with_option(gelu, exact=True), oracles.exact_gelu),
        (softmax, oracles.softmax),
    ],
)
each_gate = pytest.mark.parametrize("gate", [silu, with_option(silu, slope=1.702), gelu, with_option(gelu, exact=True)])


def away_from_the_kink(x: Array) -> bool:
    """Whether the oracle's central differences stay on one side of 0 everywhere: at 0 ReLU has no slope."""
    return bool((np.abs(x) > 1e-4).all())


@each_backend
@each_activation
@given(arrays, shapes)
@few
def test_forward_and_backward_are_the_loops(
    activation: Any, oracle: oracles.Function, backend: str, make: Arrays, shape: tuple[int, ...]
) -> None:
    x = 4 * make(*shape)
    assume(activation is not relu or away_from_the_kink(x))
    y = run(backend, activation.forward, x)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, oracle(x), **make.tolerance)

    grad_y = make(*shape)
    grad_x = run(backend, activation.backward, grad_y, y if activation in (relu, softmax) else x)
    assert grad_x.dtype == x.dtype
    np.testing.assert_allclose(grad_x, oracles.gradient(oracle, x, grad_y), **make.gradient_tolerance)


@each_backend
@each_gate
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_numbers_and_nan_pass_the_gates(gate: Any, dtype: type[np.floating[Any]], backend: str) -> None:
    x: Array = np.array([1e4, -1e4, 100, -100, 0, np.nan], dtype)
    np.testing.assert_allclose(run(backend, gate.forward, x), [1e4, 0, 100, 0, 0, np.nan], atol=1e-30)
    gradient = run(backend, gate.backward, np.ones_like(x), x)
    np.testing.assert_allclose(gradient, [1, 0, 1, 0, 0.5, np.nan], atol=1e-30)


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_at_0_infinity_and_nan(dtype: type[np.floating[Any]], backend: str) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x: Array = np.array([0, -0.0, tiny, -tiny, np.inf, -np.inf, np.nan], dtype)
    y = run(backend, relu.forward, x)
    np.testing.assert_array_equal(y, [0, 0, tiny, 0, np.inf, 0, np.nan])
    # The gradient where y > 0, and 0 elsewhere whatever comes from above: 0 times infinity would be NaN.
    grad_y: Array = np.array([3, 3, 3, np.inf, 3, np.nan, 3], dtype)
    np.testing.assert_array_equal(run(backend, relu.backward, grad_y, y), [0, 0, 3, 0, 3, 0, 0])


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_bears_huge_numbers_infinity_and_nan(dtype: type[np.floating[Any]], backend: str) -> None:
    x: Array = np.array([[1e4, -1e4, 0], [1e4, 1e4, -np.inf], [-1e4, -1e4, -1e4], [0, np.nan, 1]], dtype)
    wanted = np.array([[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3, [np.nan] * 3])
    np.testing.assert_allclose(run(backend, softmax.forward, x), wanted, rtol=1e-6)


@each_backend
@given(arrays, st.integers(1, 100), st.sampled_from([0.1, 10.0, 1000.0]))
@few
def test_softmax_rows_sum_to_1_and_ignore_a_shift(backend: str, make: Arrays, N: int, spread: float) -> None:
    x = make(3, N) * make.dtype(spread)
    y = run(backend, softmax.forward, x)
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)
    shifted = run(backend, softmax.forward, x + make.dtype(64))
    np.testing.assert_allclose(shifted, y, rtol=1e-3, atol=1e-3)


def test_the_fast_exponential_of_float32() -> None:
    # Softmax over (x, 0) with x <= 0 is e^x / (e^x + 1): where e^x is small, it is e^x itself.
    x = np.linspace(-86.9, -20, 100_001, dtype=np.float32)
    rows = np.stack([x, np.zeros_like(x)], axis=1)
    e = softmax_numba.forward(rows)[:, 0]
    np.testing.assert_allclose(e, np.exp(x.astype(np.float64)), rtol=3e-7)
    assert softmax_numba.forward(np.array([[-87.7, 0], [-1e30, 0]], np.float32))[:, 0].tolist() == [0, 0]
    # Up to 88.37 it is finite: SiLU of -88.3 is -88.3 / (1 + e^88.3).
    y = silu_numba.forward(np.array([-88.3], np.float32), 1.0)
    np.testing.assert_allclose(y, [-88.3 / (1 + np.exp(88.3))], rtol=1e-5)


def test_the_fast_normal_distribution_of_float32() -> None:
    # The exact GELU is x Phi(x), and its gradient Phi(x) + x phi(x).
    x = np.linspace(-11.5, 11.5, 100_001, dtype=np.float32)
    wide = x.astype(np.float64)
    Phi = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in wide])
    phi = np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    y = gelu_numba.forward(x, True)
    np.testing.assert_allclose(y, wide * Phi, rtol=5e-6, atol=1e-37)
    assert (np.abs(y - wide * Phi) <= 3e-7 * np.abs(wide)).all()
    np.testing.assert_allclose(gelu_numba.backward(np.ones_like(x), x, True), Phi + wide * phi, rtol=0, atol=4e-7)


@each_backend
@given(arrays, st.sampled_from([(2,), (3, 10), (2, 3, 8)]))
@few
def test_geglu_is_its_loops(backend: str, make: Arrays, shape: tuple[int, ...]) -> None:
    x = 2 * make(*shape)
    y = run(backend, geglu.forward, x)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, oracles.geglu(x), **make.tolerance)
    grad_y = make(*y.shape)
    grad_x = run(backend, geglu.backward, grad_y, x)
    assert grad_x.dtype == x.dtype
    np.testing.assert_allclose(grad_x, oracles.gradient(oracles.geglu, x, grad_y), **make.gradient_tolerance)


def test_geglu_explains_what_has_no_halves() -> None:
    for shape in ((3, 5), (4, 0), ()):
        with pytest.raises(ShapeError, match=r"geglu x: wanted shape \(\.\.\., 2D\) with D >= 1"):
            geglu.forward(np.zeros(shape, np.float32))
    with pytest.raises(ShapeError, match=r"geglu grad_y: wanted shape \(\.\.\., D\) = \(3, 2\)"):
        geglu.backward(np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32))


def test_wrong_arguments_are_explained() -> None:
    x = np.zeros((2, 3), np.float32)
    for activation in (relu, silu, gelu, softmax):
        with pytest.raises(ShapeError, match="grad_y: wanted shape"):
            activation.backward(x[1:], x)
        with pytest.raises(TypeError, match="wanted all float32 or all float64"):
            activation.forward(x.astype(int))
    with pytest.raises(ShapeError, match="D >= 1"):
        softmax.forward(x[:, :0])
