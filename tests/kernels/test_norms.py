"""Group and layer normalisation against loops, their gradients against central differences."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels import group_norm, layer_norm
from minisd_kernels.group_norm import numba_cpu as group_norm_numba
from minisd_kernels.group_norm import numpy_ref as group_norm_numpy
from minisd_kernels.layer_norm import numba_cpu as layer_norm_numba
from minisd_kernels.shapes import ShapeError
from strategies import Array, Arrays, arrays, each_backend, few, on_one_thread, run

# No spatial axis at all is allowed too.
spatial = st.sampled_from([(), (1,), (3,), (2, 4), (3, 3)])
groupings = st.sampled_from([(1, 1), (2, 1), (3, 3), (4, 2), (6, 3)])  # (C, groups)


@each_backend
@given(arrays, st.integers(1, 2), spatial, groupings, st.booleans())
@few
def test_group_norm_is_the_loops(
    backend: str, make: Arrays, B: int, pixels: tuple[int, ...], grouping: tuple[int, int], silu: bool
) -> None:
    C, groups = grouping
    x, gamma, beta = make(B, *pixels, C), make(C), make(C)
    eps = 0.1  # far from 0, so that a group of one or two numbers is not all rounding

    def loops(x: Array, gamma: Array, beta: Array) -> Array:
        z = oracles.group_norm(x, gamma, beta, groups, eps)
        return oracles.silu(z) if silu else z

    y, mean, rstd = run(backend, group_norm.forward, x, gamma, beta, groups=groups, silu=silu, eps=eps)
    assert y.dtype == mean.dtype == rstd.dtype == x.dtype and mean.shape == rstd.shape == (B, groups)
    np.testing.assert_allclose(y, loops(x, gamma, beta), **make.tolerance)

    grad_y = make(*x.shape)
    gradients = run(backend, group_norm.backward, grad_y, x, gamma, beta, mean, rstd, groups=groups, silu=silu)
    wanted = (
        oracles.gradient(lambda x: loops(x, gamma, beta), x, grad_y),
        oracles.gradient(lambda gamma: loops(x, gamma, beta), gamma, grad_y),
        oracles.gradient(lambda beta: loops(x, gamma, beta), beta, grad_y),
    )
    for got, want in zip(gradients, wanted, strict=True):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, want, **make.gradient_tolerance)


@each_backend
@given(arrays, st.sampled_from([(1,), (3,), (2, 3)]), st.integers(1, 9))
@few
def test_layer_norm_is_the_loops(backend: str, make: Arrays, rows: tuple[int, ...], D: int) -> None:
    x, gamma, beta = make(*rows, D), make(D), make(D)
    y, mean, rstd = run(backend, layer_norm.forward, x, gamma, beta, eps=0.1)
    assert y.dtype == mean.dtype == rstd.dtype == x.dtype and mean.shape == rstd.shape == rows
    np.testing.assert_allclose(y, oracles.layer_norm(x, gamma, beta, 0.1), **make.tolerance)

    grad_y = make(*x.shape)
    gradients = run(backend, layer_norm.backward, grad_y, x, gamma, mean, rstd)
    wanted = (
        oracles.gradient(lambda x: oracles.layer_norm(x, gamma, beta, 0.1), x, grad_y),
        oracles.gradient(lambda gamma: oracles.layer_norm(x, gamma, beta, 0.1), gamma, grad_y),
        oracles.gradient(lambda beta: oracles.layer_norm(x, gamma, beta, 0.1), beta, grad_y),
    )
    for got, want in zip(gradients, wanted, strict=True):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, want, **make.gradient_tolerance)


def test_the_sums_of_a_long_row_lose_nothing() -> None:
    """Added in float32, thousands of ones beside one 2^24 would be rounded away; Numba adds in float64."""
    gamma, large = np.ones(4096), np.ones((1, 4096))
    large[0, 5] = 2**24
    x = Arrays(0, np.float64)(1, 4096)
    wanted = [layer_norm.forward(large, gamma, gamma)[1]]
    _, *saved = layer_norm.forward(x, gamma, gamma)
    wanted.append(layer_norm.backward(large, x, gamma, *saved)[0])
    large, x, gamma, *saved = (np.float32(array) for array in (large, x, gamma, *saved))
    found = [run("numba", layer_norm.forward, large, gamma, gamma)[1]]
    found.append(run("numba", layer_norm.backward, large, x, gamma, *saved)[0])
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=3e-7, atol=5e-3)
    row, ones = np.resize([1.0, -1.0], (1, 1 << 15)), np.ones(1 << 15)
    row[0, 5] = 4096  # and of squares, thousands of ones beside 2^24
    _, _, rstd = run("numba", layer_norm.forward, *(np.float32(array) for array in (row, ones, ones)))
    np.testing.assert_allclose(rstd, 1 / np.sqrt(row.var() + 1e-5), rtol=1e-6)


@each_backend
def test_a_large_image_is_normalised(backend: str) -> None:
    make = Arrays(1, np.float32)
    x, gamma, beta = make(1, 50, 45, 4), make(4), make(4)
    y, mean, rstd = run(backend, group_norm.forward, x, gamma, beta, groups=2)
    np.testing.assert_allclose(y, oracles.group_norm(x, gamma, beta, 2), **make.tolerance)
    grad_y = make(*x.shape)
    grad_x, grad_gamma, grad_beta = run(backend, group_norm.backward, grad_y, x, gamma, beta, mean, rstd, groups=2)
    # Adding a constant to x or scaling it about its mean does not change y, so grad_x is orthogonal to both.
    d = (grad_y * gamma).astype(np.float64).reshape(-1, 2, 2)
    x_hat = ((x.reshape(-1, 2, 2) - mean[0][:, None]) * rstd[0][:, None]).astype(np.float64)
    wanted = rstd[0][:, None] * (d - d.mean((0, 2), keepdims=True) - x_hat * (d * x_hat).mean((0, 2), keepdims=True))
    np.testing.assert_allclose(grad_x.reshape(-1, 2, 2), wanted, **make.tolerance)
    np.testing.assert_allclose(grad_gamma, (grad_y.reshape(-1, 4) * x_hat.reshape(-1, 4)).sum(0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(grad_beta, grad_y.reshape(-1, 4).sum(0), rtol=1e-3, atol=1e-3)


@each_backend
def test_a_mean_of_1000_leaves_the_variance_right(backend: str) -> None:
    make = Arrays(2, np.float32)
    ones, zeros = np.ones(8, np.float32), np.zeros(8, np.float32)
    x = make(2, 9, 7, 8) + np.float32(1000)
    y, _, rstd = run(backend, group_norm.forward, x, ones, zeros, groups=2)
    variance = x.astype(np.float64).reshape(2, 63, 2, 4).var(axis=(1, 3))
    np.testing.assert_allclose(rstd, 1 / np.sqrt(variance + 1e-5), rtol=1e-5)
    np.testing.assert_allclose(y, oracles.group_norm(x, ones, zeros, 2), atol=2e-4)
    y, _, _ = run(backend, layer_norm.forward, x, ones, zeros)
    np.testing.assert_allclose(y, oracles.layer_norm(x, ones, zeros), atol=2e-4)


@each_backend
def test_nan_stays_in_its_image(backend: str) -> None:
    x = Arrays(3, np.float32)(2, 3, 3, 4)
    x[0, 1, 1, 0] = np.nan
    y, _, _ = run(backend, group_norm.forward, x, np.ones(4, np.float32), np.zeros(4, np.float32), groups=1)
    assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()


# Channels that fill vectors and that do not, groups that fill them and not: one slice of channels a picture, or many.
each_vector_size = pytest.mark.parametrize(
    ("B", "N", "C", "groups"),
    [(1, 30, 64, 8), (3, 9, 33, 3), (1, 1, 17, 17), (2, 70, 80, 8), (1, 5, 128, 1), (1, 3, 300, 2)],
)


@each_vector_size
@pytest.mark.parametrize("silu", [False, True])
def test_group_norm_of_vectors_is_the_reference(
    B: int, N: int, C: int, groups: int, silu: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Arrays(6, np.float32)
    x, gamma, beta, grad_y = make(B, N, C), make(C), make(C), make(B, N, C)
    y, mean, rstd = group_norm_numpy.forward(x, gamma, beta, groups, 0.1, silu)
    wanted = [y, mean, rstd, *group_norm_numpy.backward(grad_y, x, gamma, beta, mean, rstd, groups, silu)]

    # Whatever is left unwritten, or read before it is written, stays NaN.
    monkeypatch.setattr(group_norm_numba.np, "empty", lambda shape, dtype: np.full(shape, np.nan, dtype))

    def fast(x: Array, grad_y: Array) -> list[Array]:
        y, mean, rstd = group_norm_numba.forward(x, gamma, beta, groups, 0.1, silu)
        return [y, mean, rstd, *group_norm_numba.backward(grad_y, x, gamma, beta, mean, rstd, groups, silu)]

    results = fast(x, grad_y)
    for got, want in zip(results, wanted, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, **make.tolerance)
    for got, want in zip(on_one_thread(lambda: fast(x, grad_y)), results, strict=True):
        np.testing.assert_array_equal(got, want)
    # A picture's bits do not depend on its company.
    for got, want in zip(fast(x[-1:], grad_y[-1:])[:4], results, strict=False):
        np.testing.assert_array_equal(got[0], want[-1])


@each_backend
def test_huge_numbers_and_nan_pass_group_norm_and_silu(backend: str) -> None:
    # gamma and beta put z at +-1000, where the sigmoid is 1 and 0.
    x, gamma, beta = Arrays(7, np.float32)(2, 5, 4), np.ones(4, np.float32), np.float32([1000, -1000, 1000, -1000])
    y, mean, rstd = run(backend, group_norm.forward, x, gamma, beta, groups=1, silu=True)
    plain, _, _ = run(backend, group_norm.forward, x, gamma, beta, groups=1)
    np.testing.assert_allclose(y, np.maximum(plain, 0), atol=1e-30)
    gradients = run(backend, group_norm.backward, np.ones_like(x), x, gamma, beta, mean, rstd, groups=1, silu=True)
    np.testing.assert_allclose(gradients[2], [10, 0, 10, 0], atol=1e-30)
    x[0, 2, 1] = np.nan
    y, _, _ = run(backend, group_norm.forward, x, gamma, beta, groups=1, silu=True)
    assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()


def test_one_thread_gives_layer_norm_the_same_bits() -> None:
    make = Arrays(5, np.float32)
    x, gamma, beta, grad_y = make(1500, 6), make(6), make(6), make(1500, 6)

    def results() -> list[Array]:
        y, mean, rstd = layer_norm_numba.forward(x, gamma, beta, 1e-5)
        return [y, mean, rstd, *layer_norm_numba.backward(grad_y, x, gamma, mean, rstd)]

    for got, want in zip(on_one_thread(results), results(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_wrong_arguments_are_explained() -> None:
    x, ones = np.zeros((1, 2, 2, 6), np.float32), np.ones(6, np.float32)
    with pytest.raises(ShapeError, match="6 channels do not divide into 4 groups; choose one of 1, 2, 3, 6"):
        group_norm.forward(x, ones, ones, groups=4)
    with pytest.raises(ShapeError, match=r"gamma: wanted shape \(C,\) = \(6\), got \(5,\)"):
        group_norm.forward(x, ones[1:], ones, groups=2)
    with pytest.raises(TypeError, match="float32, float64"):
        group_norm.forward(x, ones.astype(np.float64), ones, groups=2)
    with pytest.raises(ShapeError, match=r"beta: wanted shape \(D,\)"):
        layer_norm.forward(x, ones, ones[1:])
    with pytest.raises(ShapeError, match=r"wanted shape \(\.\.\., D\)"):
        layer_norm.forward(np.array(1.0, np.float32), ones, ones)


@pytest.mark.parametrize("eps", [-1e-5, np.nan, np.inf])
def test_an_eps_that_no_variance_can_take_is_refused(eps: float) -> None:
    x = np.ones((1, 2, 2, 4), np.float32)
    for norm in (
        lambda: group_norm.forward(x, x[0, 0, 0], x[0, 0, 0], groups=2, eps=eps),
        lambda: layer_norm.forward(x, x[0, 0, 0], x[0, 0, 0], eps=eps),
    ):
        with pytest.raises(ValueError, match="norm: eps is added to a variance"):
            norm()
