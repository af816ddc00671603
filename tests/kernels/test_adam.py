"""AdamW against the algorithm in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import adam
from minisd_kernels.backends import use_backend
from minisd_kernels.shapes import ShapeError
from strategies import LAYOUTS, ON_DEVICES, Array, Arrays, contiguous_arrays, each_backend, few, on_one_thread, run


@each_backend
@given(contiguous_arrays, st.integers(1, 40), st.sampled_from([0.0, 0.1]), st.sampled_from([1e-3, 0.5]))
@few
def test_three_steps_are_the_algorithm(backend: str, make: Arrays, N: int, decay: float, lr: float) -> None:
    start, *grads = make(N), make(N), make(N), make(N)

    def train(param: Array, m: Array, v: Array, *grads: Array) -> Array:
        for t, grad in enumerate(grads, start=1):
            adam.step(
                param, grad, m, v, adam.Update(step=t, lr=lr, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=decay)
            )
        return param

    got = run(backend, train, start.copy(), np.zeros_like(start), np.zeros_like(start), *grads)
    assert got.dtype == start.dtype
    np.testing.assert_allclose(got, oracles.adamw(start, grads, lr, 0.8, 0.99, 1e-6, decay), **make.tolerance)


@each_backend
def test_the_buffers_themselves_change(backend: str) -> None:
    def step(param: Array, grad: Array, m: Array, v: Array) -> tuple[Array, Array]:
        adam.step(param, grad, m, v, adam.Update(step=1, lr=0.1))
        return param, grad

    param, grad = run(backend, step, *(np.ones(3, np.float32) for _ in range(4)))
    assert (param < 1).all() and (grad == 1).all()


@each_backend
@given(contiguous_arrays, st.integers(1, 40), st.sampled_from([0.25, 3.0]))
@few
def test_a_scaled_gradient_counts_so_many_times(backend: str, make: Arrays, N: int, scale: float) -> None:
    start, grad = make(N), make(N)

    def train(param: Array, m: Array, v: Array, grad: Array, **options: float) -> Array:
        adam.step(param, grad, m, v, adam.Update(step=1, lr=0.1, eps=1e-2, **options))
        return param

    zeros = np.zeros_like(start)
    got = run(backend, train, start.copy(), zeros.copy(), zeros.copy(), grad, grad_scale=scale)
    want = run(backend, train, start.copy(), zeros.copy(), zeros.copy(), start.dtype.type(scale) * grad)
    np.testing.assert_allclose(got, want, **make.tolerance)


@each_backend
@given(contiguous_arrays, st.sampled_from([1, 7, 255, 256, 257, 5000]))
@few
def test_length_and_average_are_the_formulas(backend: str, make: Arrays, N: int) -> None:
    grad, mean = make(N), make(N)
    exact = float((grad.astype(float) ** 2).sum())
    assert run(backend, adam.squared_length, grad) == pytest.approx(exact, rel=1e-6)

    def average(mean: Array, param: Array) -> Array:
        adam.average(mean, param, rate=0.25)
        return mean

    np.testing.assert_allclose(run(backend, average, mean.copy(), grad), 0.75 * mean + 0.25 * grad, **make.tolerance)


def test_the_length_is_the_same_on_any_number_of_threads() -> None:
    grad = Arrays(0, np.float32)(10_001)
    with use_backend("numba"):
        assert on_one_thread(lambda: adam.squared_length(grad)) == adam.squared_length(grad)
        grad[7] = np.inf
        assert adam.squared_length(grad) == np.inf


@each_backend
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_only_read_may_lie_anyhow(backend: str, layout: str) -> None:
    def everything(param: Array, grad: Array, m: Array, v: Array, lay: Any) -> tuple[Array, ...]:
        adam.step(param, lay(grad), m, v, adam.Update(step=1, lr=0.1))
        adam.average(m, lay(param), rate=0.25)
        return param, m, v, param * adam.squared_length(lay(grad))

    buffers = [np.arange(n, n + 5, dtype=np.float32) for n in range(4)]
    lay = (LAYOUTS if backend in ("numpy", "numba") else ON_DEVICES).get(layout, LAYOUTS["contiguous"])
    for got, want in zip(
        run(backend, everything, *[b.copy() for b in buffers], lay),
        run(backend, everything, *buffers, LAYOUTS["contiguous"]),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("layout", ["backwards", "strided", "read-only", "misaligned"])
def test_what_is_written_to_lies_in_one_piece(layout: str) -> None:
    for name in ("param", "m", "v"):
        buffers = {each: np.ones(4, np.float32) for each in ("param", "grad", "m", "v")}
        buffers[name] = LAYOUTS[layout](buffers[name])
        with pytest.raises(ValueError, match=f"adam {name}: a strided, read-only or misaligned view"):
            adam.step(**buffers, update=adam.Update(step=1, lr=0.1))
        assert (buffers["param"] == 1).all()
    with pytest.raises(ValueError, match="adam mean: a strided"):
        adam.average(LAYOUTS[layout](np.ones(4)), np.ones(4), rate=0.5)


def test_wrong_arguments_are_explained() -> None:
    a = np.ones(4, np.float32)
    with pytest.raises(ShapeError, match=r"adam v: wanted shape \(N,\) = \(4\), got \(3,\)"):
        adam.step(a, a, a, a[1:], adam.Update(step=1, lr=0.1))
    with pytest.raises(ValueError, match="adam step: wanted an int >= 1, got 0"):
        adam.step(a, a, a, a, adam.Update(step=0, lr=0.1))
    with pytest.raises(TypeError, match="float32, float64"):
        adam.step(a, a.astype(np.float64), a, a, adam.Update(step=1, lr=0.1))
