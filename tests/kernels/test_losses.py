"""The mean squared error and the cross-entropy against loops; what is impossible, what is NaN and what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import cross_entropy, mean_squared_error
from minisd_kernels.backends import use_backend
from minisd_kernels.devices import missing_device_reason, to_device, to_host
from minisd_kernels.shapes import ShapeError
from strategies import Array, Arrays, arrays, each_backend, few, on_one_thread, run

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

# ---- Mean squared error


@each_backend
@given(arrays, st.sampled_from([(), (1,), (7,), (3, 5), (2, 3, 1, 4), (17, 23)]))
@few
def test_the_mean_squared_error_and_its_gradients_are_the_loops(
    backend: str, make: Arrays, shape: tuple[int, ...]
) -> None:
    a, b, grad = make(*shape), make(*shape), np.asarray(0.7, make.dtype)
    a, b = (np.asarray(x) for x in (a, b))
    loss = run(backend, mean_squared_error.forward, a, b)
    assert loss.dtype == a.dtype and loss.shape == ()
    np.testing.assert_allclose(loss, oracles.mean_squared_error(a, b), **make.tolerance)

    for x, y in ((a, b), (b, a)):  # the gradient in b is that in a, when they change places
        grad_x = run(backend, mean_squared_error.backward, grad, x, y)
        assert grad_x.dtype == x.dtype and grad_x.shape == x.shape
        wanted = oracles.gradient(lambda at, y=y: oracles.mean_squared_error(at, y), x, grad)
        np.testing.assert_allclose(grad_x, wanted, **make.gradient_tolerance)


@each_backend
@each_dtype
def test_many_squares_lose_nothing(backend: str, dtype: type[np.floating[Any]]) -> None:
    """Added in float32, ten thousand times 1/4 beside one large square would be rounded away."""
    a = np.full(10_001, 0.5, dtype)
    a[0] = 4096
    loss = run(backend, mean_squared_error.forward, a, np.zeros_like(a))
    np.testing.assert_allclose(loss, (4096**2 + 10_000 / 4) / 10_001, rtol=1e-7)


@each_backend
@each_dtype
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_error_that_is_not_finite_is_seen(backend: str, dtype: type[np.floating[Any]], wrong: float) -> None:
    a = np.zeros(1000, dtype)
    a[321] = wrong
    np.testing.assert_equal(run(backend, mean_squared_error.forward, a, np.zeros_like(a)).item(), wrong)
    grad_a = run(backend, mean_squared_error.backward, np.ones((), dtype), a, np.zeros_like(a))
    np.testing.assert_array_equal(grad_a, a)


# ---- Cross-entropy


def as_probabilities(classes: Array, V: int) -> Array:
    return (classes[:, None] == np.arange(V)).astype(np.float64)


@each_backend
@given(
    arrays,
    st.sampled_from([(1, 1), (1, 5), (4, 2), (5, 3), (70, 3), (9, 40)]),
    st.sampled_from([np.int64, np.int32, np.uint8, None]),
    st.booleans(),
)
@few
def test_the_cross_entropy_and_its_gradient_are_the_loops(
    backend: str, make: Arrays, shape: tuple[int, int], classes: type[np.integer[Any]] | None, weighted: bool
) -> None:
    N, V = shape
    logits, grad = 2 * make(N, V), np.asarray(0.7, make.dtype)
    weight = make(N) if weighted else None
    target = make(N, V) if classes is None else make.rng.integers(0, V, N).astype(classes)
    wanted = target if classes is None else as_probabilities(target, V)
    weights = np.ones(N) if weight is None else weight

    loss = run(backend, cross_entropy.forward, logits, target, weight)
    assert loss.dtype == logits.dtype and loss.shape == ()
    np.testing.assert_allclose(loss, oracles.cross_entropy(logits, wanted, weights), **make.tolerance)

    grad_logits = run(backend, cross_entropy.backward, grad, logits, target, weight)
    assert grad_logits.dtype == logits.dtype
    slope = oracles.gradient(lambda at: oracles.cross_entropy(at, wanted, weights), logits, grad)
    np.testing.assert_allclose(grad_logits, slope, **make.gradient_tolerance)


def test_many_losses_lose_nothing() -> None:
    """Added in float32, a thousand times ln 2 beside one 2^24 would be rounded away; Numba adds in float64."""
    logits, classes = np.zeros((10_001, 2), np.float32), np.zeros(10_001, np.int64)
    logits[3, 1] = 2**24
    loss = run("numba", cross_entropy.forward, logits, classes)
    np.testing.assert_allclose(loss, (2**24 + 10_000 * np.log(2)) / 10_001, rtol=1e-6)


@each_backend
@each_dtype
@pytest.mark.parametrize("probabilities", [False, True])
def test_what_is_impossible_and_not_wanted_costs_nothing(
    backend: str, dtype: type[np.floating[Any]], probabilities: bool
) -> None:
    logits: Array = np.array([[0, 0, -np.inf], [1e4, 0, -1e4]], dtype)
    classes = np.array([0, 0])
    target = as_probabilities(classes, 3).astype(dtype) if probabilities else classes
    np.testing.assert_allclose(run(backend, cross_entropy.forward, logits, target), np.log(2) / 2, rtol=1e-6)
    gradient = run(backend, cross_entropy.backward, np.ones((), dtype), logits, target)
    np.testing.assert_allclose(gradient, [[-0.25, 0.25, 0], [0, 0, 0]], atol=1e-7)


@each_backend
@each_dtype
def test_what_is_impossible_and_wanted_costs_infinitely_much_unless_it_weighs_nothing(
    backend: str, dtype: type[np.floating[Any]]
) -> None:
    logits: Array = np.array([[0, -np.inf], [1, 1]], dtype)
    classes = np.array([1, 0])
    assert run(backend, cross_entropy.forward, logits, classes) == np.inf
    without_the_first = run(backend, cross_entropy.forward, logits, classes, np.array([0, 1], dtype))
    np.testing.assert_allclose(without_the_first, np.log(2) / 2, rtol=1e-6)


@each_backend
@each_dtype
def test_nan_stays_nan_in_its_row(backend: str, dtype: type[np.floating[Any]]) -> None:
    logits: Array = np.array([[0, np.nan, 0], [1, 1, 1]], dtype)
    classes = np.array([0, 0])
    assert np.isnan(run(backend, cross_entropy.forward, logits, classes))
    gradient = run(backend, cross_entropy.backward, np.ones((), dtype), logits, classes)
    np.testing.assert_allclose(gradient, [[np.nan] * 3, [-1 / 3, 1 / 6, 1 / 6]], rtol=1e-6)


@each_backend
@given(arrays, st.integers(1, 40), st.sampled_from([1.0, 1000.0]))
@few
def test_a_shift_of_all_logits_changes_nothing_so_gradients_sum_to_0(
    backend: str, make: Arrays, V: int, spread: float
) -> None:
    logits, classes = make(3, V) * make.dtype(spread), make.rng.integers(0, V, 3)
    loss = run(backend, cross_entropy.forward, logits, classes)
    shifted = run(backend, cross_entropy.forward, logits + make.dtype(64), classes)
    np.testing.assert_allclose(shifted, loss, rtol=1e-3, atol=1e-3)
    gradient = run(backend, cross_entropy.backward, np.ones((), make.dtype), logits, classes)
    np.testing.assert_allclose(gradient.sum(axis=-1), 0, atol=1e-6)


@pytest.mark.skipif(missing_device_reason("emu") is not None, reason="no C++ compiler")
@pytest.mark.parametrize("wrong", [3, -1])
def test_on_a_device_a_class_that_is_not_there_makes_its_row_nan(wrong: int) -> None:
    logits, classes, one = (to_device(a, "emu") for a in (np.zeros((2, 3)), np.array([0, wrong]), np.ones(())))
    assert np.isnan(to_host(cross_entropy.forward(logits, classes)))
    gradient = to_host(cross_entropy.backward(one, logits, classes))
    np.testing.assert_allclose(gradient, [[-1 / 3, 1 / 6, 1 / 6], [np.nan] * 3])
    with pytest.raises(TypeError, match="classes live on cpu, not where the logits are; use to_device"):
        cross_entropy.forward(logits, np.array([0, 1]))


# ---- Both


def test_the_losses_are_the_same_on_any_number_of_threads() -> None:
    make = Arrays(0, np.float32)
    a, b, classes = make(1000, 7), make(1000, 7), make.rng.integers(0, 7, 1000)
    with use_backend("numba"):
        for loss, other in ((mean_squared_error, b), (cross_entropy, classes)):
            assert on_one_thread(lambda: loss.forward(a, other)) == loss.forward(a, other)  # noqa: B023


def test_wrong_arguments_are_explained() -> None:
    a, one = np.zeros((2, 3), np.float32), np.ones((), np.float32)
    with pytest.raises(ShapeError, match=r"wanted equal shapes, got \(2, 3\) and \(3,\)"):
        mean_squared_error.forward(a, a[0])
    with pytest.raises(ShapeError, match=r"shape \(0, 3\) has no elements"):
        mean_squared_error.forward(a[:0], a[:0])
    with pytest.raises(TypeError, match="float32, float64"):
        mean_squared_error.backward(one, a, a.astype(np.float64))
    with pytest.raises(ShapeError, match=r"mean_squared_error grad_y: wanted shape \(\)"):
        mean_squared_error.backward(a, a, a)

    classes = np.array([0, 2])
    with pytest.raises(ShapeError, match=r"logits: wanted shape \(N, V\), N and V >= 1, got \(0, 3\)"):
        cross_entropy.forward(a[:0], classes[:0])
    with pytest.raises(ShapeError, match=r"target: wanted shape \(N,\) = \(2\), got \(1,\)"):
        cross_entropy.forward(a, classes[:1])
    with pytest.raises(ShapeError, match=r"target: wanted shape \(N, V\) = \(2, 3\), got \(2, 2\)"):
        cross_entropy.forward(a, a[:, :2])
    with pytest.raises(TypeError, match="class numbers must be integers, got float32"):
        cross_entropy.forward(a, a[:, 0])
    for wrong in (np.array([0, 3]), np.array([-1, 0])):
        with pytest.raises(ValueError, match=r"wanted classes in 0\.\.2, got"):
            cross_entropy.forward(a, wrong)
        with pytest.raises(ValueError, match=r"wanted classes in 0\.\.2, got"):
            cross_entropy.backward(one, a, wrong)
    with pytest.raises(ShapeError, match=r"cross_entropy weight: wanted shape \(N,\) = \(2\), got \(3,\)"):
        cross_entropy.forward(a, classes, np.ones(3, np.float32))
    with pytest.raises(TypeError, match="float32, float64"):
        cross_entropy.forward(a, classes, np.ones(2))
    with pytest.raises(ShapeError, match=r"cross_entropy grad_y: wanted shape \(\)"):
        cross_entropy.backward(a, a, classes)
