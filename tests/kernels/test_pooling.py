"""Max pooling against loops, and its corner cases: ties, padding, the rows that the floor drops."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from hypothesis import example, given
from minisd_kernels import max_pool2d
from minisd_kernels.max_pool2d import numba_cpu, numpy_ref
from minisd_kernels.shapes import ShapeError
from strategies import (
    ASYMMETRIC,
    Array,
    Arrays,
    Geometry,
    arrays,
    each_backend,
    few,
    geometries,
    on_one_thread,
    run,
)


def options(geometry: Geometry) -> dict[str, tuple[int, int]]:
    return {"window": geometry.window, "stride": geometry.stride, "padding": geometry.padding}


@each_backend
@given(arrays, geometries())
@example(Arrays(0, np.float32), ASYMMETRIC)
@example(Arrays(0, np.float32), Geometry(size=(4, 6), window=(2, 2), stride=(2, 2), padding=(1, 1)))  # apart, yet cut
@few
def test_forward_and_backward_are_the_loops(backend: str, make: Arrays, geometry: Geometry) -> None:
    x = make(2, *geometry.size, 3)
    y, argmax = run(backend, max_pool2d.forward, x, **options(geometry))
    wanted_y, wanted_argmax = oracles.max_pool2d(x, geometry.window, geometry.stride, geometry.padding)
    assert y.shape == (2, *geometry.out, 3) and y.dtype == x.dtype and argmax.dtype == np.uint8
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(argmax, wanted_argmax)

    grad_y = make(*y.shape)
    grad_x = run(backend, max_pool2d.backward, grad_y, argmax, x_shape=x.shape, **options(geometry))
    wanted = np.zeros(x.shape)
    for b, p, q, c in np.ndindex(*y.shape):
        i, j = divmod(int(wanted_argmax[b, p, q, c]), geometry.window[1])
        h, w = p * geometry.stride[0] + i - geometry.padding[0], q * geometry.stride[1] + j - geometry.padding[1]
        wanted[b, h, w, c] += grad_y[b, p, q, c]
    assert grad_x.dtype == x.dtype
    np.testing.assert_allclose(grad_x, wanted, **make.tolerance)


@each_backend
@given(arrays, geometries())
@example(Arrays(0, np.float32), ASYMMETRIC)
@few
def test_what_the_floor_drops_changes_nothing(backend: str, make: Arrays, geometry: Geometry) -> None:
    x = make(1, *geometry.size, 2)
    changed = x.copy()
    rows, columns = geometry.used
    changed[:, rows:] = np.inf
    changed[:, :, columns:] = np.inf
    y, _ = run(backend, max_pool2d.forward, x, **options(geometry))
    y_changed, argmax = run(backend, max_pool2d.forward, changed, **options(geometry))
    np.testing.assert_array_equal(y, y_changed)
    grad_x = run(backend, max_pool2d.backward, np.ones_like(y), argmax, x_shape=x.shape, **options(geometry))
    assert not grad_x[:, rows:].any() and not grad_x[:, :, columns:].any()


each_vector_size = pytest.mark.parametrize("C", [1, 15, 16, 33])
each_geometry = pytest.mark.parametrize(
    "geometry",
    [
        Geometry(size=(7, 8), window=(2, 2), stride=(2, 2), padding=(0, 0)),  # a row is left over
        Geometry(size=(6, 7), window=(2, 3), stride=(2, 3), padding=(0, 0)),  # a column is left over
        ASYMMETRIC,
    ],
)


@each_vector_size
@each_geometry
def test_pooling_of_vectors_is_the_reference(C: int, geometry: Geometry, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Arrays(1, np.float32)
    x = make(2, *geometry.size, C)
    x[0, 1, 1:3] = np.nan
    sizes = geometry.window, geometry.stride, geometry.padding
    y, argmax = numpy_ref.forward(x, geometry.out, *sizes)
    grad_y = make(*y.shape)
    wanted = [y, argmax, numpy_ref.backward(grad_y, argmax, x.shape, *sizes)]

    # Whatever is left unwritten stays as it was made.
    monkeypatch.setattr(numba_cpu.np, "empty", lambda shape, dtype: np.full(shape, 77, dtype))

    def fast() -> list[Array]:
        y, argmax = numba_cpu.forward(x, geometry.out, *sizes)
        return [y, argmax, numba_cpu.backward(grad_y, argmax, x.shape, *sizes)]

    for got, alone, want in zip(fast(), on_one_thread(fast), wanted, strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-6)  # the gradient's sums go in another order
        np.testing.assert_array_equal(got, alone)


@each_backend
def test_a_window_of_more_than_256_places(backend: str) -> None:
    x = np.arange(300, dtype=np.float32).reshape(1, 1, 300, 1)
    y, argmax = run(backend, max_pool2d.forward, x, window=(1, 300))
    assert y.item() == argmax.item() == 299
    grad_x = run(backend, max_pool2d.backward, y, argmax, x_shape=x.shape, window=(1, 300))
    assert grad_x[0, 0, :, 0].tolist() == [0] * 299 + [299]


@each_backend
def test_of_equal_numbers_the_first_takes_the_gradient(backend: str) -> None:
    x = np.ones((1, 4, 6, 2), np.float32)
    y, argmax = run(backend, max_pool2d.forward, x, window=(2, 3))
    assert not argmax.any()
    grad_x = run(backend, max_pool2d.backward, y, argmax, x_shape=x.shape, window=(2, 3))
    np.testing.assert_array_equal(grad_x[0, :, :, 0], np.array([[1, 0, 0, 1, 0, 0], [0] * 6] * 2))


@each_backend
def test_padding_is_minus_infinity_and_not_zero(backend: str) -> None:
    x = np.full((1, 3, 3, 1), -5.0, np.float32)
    y, argmax = run(backend, max_pool2d.forward, x, window=3, stride=2, padding=1)
    assert (y == -5).all()
    assert argmax.ravel().tolist() == [4, 3, 1, 0]  # the first place inside the image


@each_backend
def test_nan_is_the_maximum(backend: str) -> None:
    x = np.array([1.0, np.nan, 3.0, 2.0, 7.0, 1.0], np.float32).reshape(1, 1, 6, 1)
    y, argmax = run(backend, max_pool2d.forward, x, window=(1, 3))
    assert np.isnan(y[0, 0, 0, 0]) and y[0, 0, 1, 0] == 7
    assert argmax.ravel().tolist() == [1, 1]


def test_wrong_arguments_are_explained() -> None:
    x = np.zeros((1, 4, 4, 2), np.float32)
    with pytest.raises(ShapeError, match=r"padding .* must be smaller than the window"):
        max_pool2d.forward(x, window=2, padding=2)
    with pytest.raises(ShapeError, match="does not fit an input of 4"):
        max_pool2d.forward(x, window=5)
    with pytest.raises(ShapeError, match=r"wanted shape \(B, H, W, C\)"):
        max_pool2d.forward(x[0], window=2)
    with pytest.raises(TypeError, match="int64"):
        max_pool2d.forward(x.astype(np.int64), window=2)
    y, argmax = max_pool2d.forward(x, window=2)
    with pytest.raises(ShapeError, match="grad_y: wanted shape"):
        max_pool2d.backward(y[:, 1:], argmax, x_shape=x.shape, window=2)
