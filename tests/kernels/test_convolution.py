"""Linear layer, convolution and transposed convolution on every backend: the predicted size is the actual one, the
numbers are those of the loops, and the laws hold (linear, adjoint, blind to the rows that the floor drops)."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from minisd_kernels import conv2d, conv_transpose2d, linear
from minisd_kernels.shapes import ShapeError
from strategies import ASYMMETRIC, Array, Arrays, Geometry, arrays, each_backend, few, geometries, on_one_thread, run

# Channels that do and do not fill a register tile's 16 or 32 columns, and batches that take the pixels across the
# kernel's blocks of 56.
channels = st.sampled_from([1, 3, 16, 17, 32, 33, 40])
batches = st.integers(1, 4)

SMALL = Arrays(0, np.float32)
MANY_PIXELS = Geometry(size=(9, 8), window=(3, 3), stride=(1, 1), padding=(1, 1))
ONE_BY_ONE = Geometry(size=(8, 7), window=(1, 1), stride=(1, 1), padding=(0, 0))
ONE_PIXEL = Geometry(size=(1, 1), window=(3, 5), stride=(2, 1), padding=(1, 2))
WIDE_PADDING = Geometry(size=(3, 4), window=(2, 3), stride=(2, 1), padding=(4, 3))
DILATED = Geometry(size=(9, 8), window=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(2, 3))
UNEVEN = Geometry(size=(9, 8), window=(3, 3), stride=(1, 1), padding=((2, 0), (1, 3)))
VAE_DOWN = Geometry(size=(8, 6), window=(3, 3), stride=(2, 2), padding=((0, 1), (0, 1)))  # Stable Diffusion's encoder
PADDED_PIXELS = Geometry(size=(3, 4), window=(1, 1), stride=(1, 1), padding=((0, 1), (0, 2)))


def options(geometry: Geometry) -> dict[str, Any]:
    return {"stride": geometry.stride, "padding": geometry.padding, "dilation": geometry.dilation}


def inner(a: Array, b: Array) -> float:
    return float(np.vdot(a.astype(float), b.astype(float)))


# ---- The loops


@each_backend
@given(arrays, geometries(max_dilation=3, uneven=True), batches, channels, channels)
@example(SMALL, ASYMMETRIC, 3, 17, 33)
@example(SMALL, MANY_PIXELS, 2, 40, 16)
@example(SMALL, ONE_BY_ONE, 2, 3, 40)
@example(SMALL, ONE_PIXEL, 1, 1, 1)
@example(SMALL, WIDE_PADDING, 2, 3, 17)
@example(SMALL, DILATED, 3, 3, 3)
@example(SMALL, UNEVEN, 2, 17, 33)
@example(SMALL, UNEVEN, 2, 3, 1)
@example(SMALL, VAE_DOWN, 2, 17, 40)
@example(SMALL, PADDED_PIXELS, 2, 3, 16)
@few
def test_conv2d_is_the_loops(backend: str, make: Arrays, geometry: Geometry, B: int, C: int, O: int) -> None:
    x, weight, bias = make(B, *geometry.size, C), make(*geometry.window, C, O), make(O)
    y = run(backend, conv2d.forward, x, weight, bias, **options(geometry))
    assert y.dtype == x.dtype and y.shape == (B, *geometry.out, O)
    assert geometry.out == conv2d.output_size(geometry.size, geometry.window, **options(geometry))
    np.testing.assert_allclose(y, oracles.conv2d(x, weight, bias, **options(geometry)), **make.tolerance)

    grad = make(*y.shape)
    gradients = run(backend, conv2d.backward, grad, x, weight, **options(geometry))
    wanted = oracles.conv2d_gradients(grad, x, weight, **options(geometry))
    for got, want in zip(gradients, wanted, strict=True):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, want, **make.tolerance)


@each_backend
@given(arrays, geometries(max_dilation=3, uneven=True), batches, channels, channels, st.data())
@example(SMALL, ASYMMETRIC, 3, 17, 33, None)
@example(SMALL, MANY_PIXELS, 2, 40, 16, None)
@example(SMALL, ONE_BY_ONE, 2, 3, 40, None)
@example(SMALL, ONE_PIXEL, 1, 1, 1, None)
@example(SMALL, DILATED, 3, 3, 3, None)
@example(SMALL, UNEVEN, 2, 17, 33, None)
@example(SMALL, VAE_DOWN, 2, 17, 40, None)
@few
def test_conv_transpose2d_is_the_loops(
    backend: str, make: Arrays, geometry: Geometry, B: int, C: int, O: int, data: st.DataObject | None
) -> None:
    # The geometry is that of the convolution which this one is the adjoint of: it goes from geometry.out to a size.
    most = [max(axis) - 1 for axis in zip(geometry.stride, geometry.dilation, strict=True)]
    down, right = (data.draw(st.integers(0, n)) if data else n for n in most)
    extra = (down, right)
    larger = [size - dropped + a for size, dropped, a in zip(geometry.size, geometry.dropped, extra, strict=True)]
    assume(min(larger) > 0)  # padding can leave nothing of the output
    x, weight, bias = make(B, *geometry.out, C), make(*geometry.window, C, O), make(O)
    size = conv_transpose2d.output_size(geometry.out, geometry.window, output_padding=extra, **options(geometry))
    assert list(size) == larger
    y = run(backend, conv_transpose2d.forward, x, weight, bias, output_padding=extra, **options(geometry))
    assert y.dtype == x.dtype and y.shape == (B, *size, O)
    wanted_y = oracles.conv_transpose2d(x, weight, bias, output_padding=extra, **options(geometry))
    np.testing.assert_allclose(y, wanted_y, **make.tolerance)

    grad = make(*y.shape)
    gradients = run(backend, conv_transpose2d.backward, grad, x, weight, **options(geometry))
    wanted = oracles.conv_transpose2d_gradients(grad, x, weight, **options(geometry))
    for got, want in zip(gradients, wanted, strict=True):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, want, **make.tolerance)


@each_backend
@given(arrays, st.sampled_from([1, 2, 7, 55, 56, 57, 113]), st.sampled_from([1, 3, 17, 33]), channels)
@few
def test_linear_is_the_loops(backend: str, make: Arrays, M: int, K: int, N: int) -> None:
    x, weight, bias = make(M, K), make(K, N), make(N)
    y = run(backend, linear.forward, x, weight, bias)
    assert y.dtype == x.dtype and y.shape == (M, N)
    np.testing.assert_allclose(y, oracles.linear(x, weight, bias), **make.tolerance)

    grad = make(M, N)
    gradients = run(backend, linear.backward, grad, x, weight)
    wanted = (
        oracles.linear(grad, weight.T, np.zeros(K)),
        oracles.linear(x.T, grad, np.zeros(N)),
        grad.astype(float).sum(axis=0),
    )
    for got, want in zip(gradients, wanted, strict=True):
        assert got.dtype == x.dtype
        np.testing.assert_allclose(got, want, **make.tolerance)


# ---- What holds of every convolution


@each_backend
@given(arrays, geometries(max_dilation=2, uneven=True), channels)
@few
def test_without_a_bias_it_is_linear(backend: str, make: Arrays, geometry: Geometry, C: int) -> None:
    a, b, weight = make(2, *geometry.size, C), make(2, *geometry.size, C), make(*geometry.window, C, 3)

    def convolved(x: Array) -> Array:
        return np.asarray(run(backend, conv2d.forward, x, weight, **options(geometry)))

    two, three = make.dtype(2), make.dtype(3)
    np.testing.assert_allclose(
        convolved(two * a - three * b), two * convolved(a) - three * convolved(b), **make.gradient_tolerance
    )


@each_backend
@given(arrays, geometries(max_dilation=2, uneven=True), channels, channels)
@few
def test_the_input_gradient_is_the_adjoint(backend: str, make: Arrays, geometry: Geometry, C: int, O: int) -> None:
    x, weight, grad = make(2, *geometry.size, C), make(*geometry.window, C, O), make(2, *geometry.out, O)
    y = run(backend, conv2d.forward, x, weight, **options(geometry))
    grad_x, grad_weight, _ = run(backend, conv2d.backward, grad, x, weight, **options(geometry))
    scale = float(np.linalg.norm(y) * np.linalg.norm(grad)) + 1
    assert abs(inner(y, grad) - inner(x, grad_x)) < 1e-5 * scale  # <conv(x), g> = <x, input gradient(g)>
    assert abs(inner(y, grad) - inner(weight, grad_weight)) < 1e-5 * scale


@each_backend
@given(arrays, geometries(max_dilation=2, uneven=True), channels, channels)
@few
def test_the_transposed_convolution_is_the_adjoint(
    backend: str, make: Arrays, geometry: Geometry, C: int, O: int
) -> None:
    x, weight, g = make(2, *geometry.size, C), make(*geometry.window, C, O), make(2, *geometry.out, O)
    y = run(backend, conv2d.forward, x, weight, **options(geometry))
    spread = run(
        backend,
        conv_transpose2d.forward,
        g,
        weight.swapaxes(2, 3),
        output_padding=geometry.dropped,
        **options(geometry),
    )
    assert spread.shape == x.shape
    assert abs(inner(y, g) - inner(x, spread)) < 1e-5 * (float(np.linalg.norm(y) * np.linalg.norm(g)) + 1)


@each_backend
@given(arrays, geometries(max_dilation=2, uneven=True))
@example(SMALL, ASYMMETRIC)
@few
def test_what_the_floor_drops_changes_nothing(backend: str, make: Arrays, geometry: Geometry) -> None:
    x, weight = make(1, *geometry.size, 3).copy(), make(*geometry.window, 3, 2)
    changed = x.copy()  # in the same layout, so that the reference adds in the same order
    rows, columns = geometry.used
    changed[:, rows:] = np.inf
    changed[:, :, columns:] = np.inf
    y = run(backend, conv2d.forward, x, weight, **options(geometry))
    np.testing.assert_array_equal(run(backend, conv2d.forward, changed, weight, **options(geometry)), y)
    grad_x, *others = run(backend, conv2d.backward, y, x, weight, **options(geometry))
    assert not grad_x[:, rows:].any() and not grad_x[:, :, columns:].any()
    _, *others_changed = run(backend, conv2d.backward, y, changed, weight, **options(geometry))
    for got, want in zip(others_changed, others, strict=True):
        np.testing.assert_array_equal(got, want)


@each_backend
def test_nan_reaches_only_the_windows_that_see_it(backend: str) -> None:
    x, weight = SMALL(1, 6, 6, 2), SMALL(3, 3, 2, 4)
    x[0, 0, 0, 0] = np.nan
    y = run(backend, conv2d.forward, x, weight, padding=1)
    assert np.isnan(y[0, :2, :2]).all() and np.isfinite(y[0, 2:]).all() and np.isfinite(y[0, :, 2:]).all()


# ---- The same bits, whatever runs beside


GEOMETRIES = [MANY_PIXELS, ASYMMETRIC, ONE_BY_ONE]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_sample_does_not_depend_on_its_batch(geometry: Geometry) -> None:
    x, weight, bias = SMALL(11, *geometry.size, 17), SMALL(*geometry.window, 17, 40), SMALL(40)
    y = conv2d.forward(x, weight, bias, **options(geometry))
    grad_x = np.asarray(conv2d.backward(y, x, weight, **options(geometry))[0])
    spread = conv_transpose2d.forward(y, weight.swapaxes(2, 3), **options(geometry))
    rows = linear.forward(x.reshape(-1, 17), weight[0, 0], bias)
    for b in (0, 4, 10):
        alone = slice(b, b + 1)
        np.testing.assert_array_equal(conv2d.forward(x[alone], weight, bias, **options(geometry)), y[alone])
        grad_alone, _, _ = conv2d.backward(y[alone], x[alone], weight, **options(geometry))
        np.testing.assert_array_equal(grad_alone, grad_x[alone])
        spread_alone = conv_transpose2d.forward(y[alone], weight.swapaxes(2, 3), **options(geometry))
        np.testing.assert_array_equal(spread_alone, spread[alone])
        np.testing.assert_array_equal(linear.forward(x.reshape(-1, 17)[alone], weight[0, 0], bias), rows[alone])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_one_thread_gives_the_same_bits(geometry: Geometry) -> None:
    x, weight, bias = SMALL(11, *geometry.size, 17), SMALL(*geometry.window, 17, 40), SMALL(40)
    pixels, matrix = x.reshape(-1, 17), weight[0, 0]

    def everything() -> list[Array]:
        y = conv2d.forward(x, weight, bias, **options(geometry))
        up = conv_transpose2d.forward(x, weight, bias, **options(geometry))
        rows = linear.forward(pixels, matrix, bias)
        return [
            y,
            up,
            rows,
            *conv2d.backward(y, x, weight, **options(geometry)),
            *conv_transpose2d.backward(up, x, weight, **options(geometry)),
            *linear.backward(rows, pixels, matrix),
        ]

    for got, want in zip(on_one_thread(everything), everything(), strict=True):
        np.testing.assert_array_equal(got, want)


# ---- Arguments


def test_an_unneeded_input_gradient_is_not_made() -> None:
    x, weight = SMALL(1, 4, 4, 1), SMALL(3, 3, 1, 2)
    grads = conv2d.backward(SMALL(1, 2, 2, 2), x, weight, need_input=False)
    assert grads[0] is None and grads[1].shape == weight.shape


@pytest.mark.parametrize("window", [(1, 1), (3, 3)])
@pytest.mark.parametrize(("B", "C"), [(0, 3), (2, 0)])
def test_of_nothing_comes_the_bias(B: int, C: int, window: tuple[int, int]) -> None:
    x, weight, bias = SMALL(B, 4, 4, C), SMALL(*window, C, 2), SMALL(2)
    y = conv2d.forward(x, weight, bias)
    np.testing.assert_array_equal(y, np.broadcast_to(bias, (B, *conv2d.output_size((4, 4), window), 2)))
    grad_x, grad_weight, grad_bias = conv2d.backward(np.ones_like(y), x, weight)
    assert grad_x is not None and grad_x.shape == x.shape and not grad_weight.any()
    assert grad_bias.tolist() == [y.size / 2] * 2


def test_wrong_arguments_are_explained() -> None:
    x, weight, bias = SMALL(2, 6, 5, 3), SMALL(3, 2, 3, 4), SMALL(4)
    for operation, name in ((conv2d, "conv2d"), (conv_transpose2d, "conv_transpose2d")):
        with pytest.raises(ShapeError, match=rf"{name} x: wanted shape \(B, H, W, C\)"):
            operation.forward(x[0], weight)
        with pytest.raises(
            ShapeError, match=rf"{name} weight: wanted shape .* = \(any, any, 3, any\), got \(3, 2, 2, 4\)"
        ):
            operation.forward(x, weight[:, :, 1:])
        with pytest.raises(ShapeError, match=rf"{name} bias: wanted shape \(O,\) = \(4\), got \(3,\)"):
            operation.forward(x, weight, bias[1:])
        with pytest.raises(ShapeError, match=rf"{name} stride: wanted an int or a pair of ints >= 1, got 0"):
            operation.forward(x, weight, stride=0)
        with pytest.raises(ShapeError, match=rf"{name} padding: wanted .*top, bottom.*, got \(1, 2, 3\)"):
            operation.forward(x, weight, padding=(1, 2, 3))
        with pytest.raises(ShapeError, match=rf"{name} padding: wanted an int or a pair of ints >= 0, got \(-1, 2\)"):
            operation.forward(x, weight, padding=(0, (-1, 2)))
        with pytest.raises(TypeError, match=f"{name}: wanted all float32 or all float64, got float32, float64"):
            operation.forward(x, weight.astype(np.float64))
        y = operation.forward(x, weight)
        with pytest.raises(ShapeError, match=f"{name} grad_y: wanted"):
            operation.backward(y[:, 1:], x, weight)
        with pytest.raises(ShapeError, match=f"{name} weight: wanted"):
            operation.backward(y, x, weight[:, :, 1:])
        with pytest.raises(TypeError, match="wanted all float32 or all float64"):
            operation.backward(y.astype(np.float64), x, weight)
    with pytest.raises(ShapeError, match="a window that spans 7 does not fit an input of 6"):
        conv2d.forward(x, weight, dilation=(3, 1))
    with pytest.raises(ShapeError, match="output padding 2 must be less than the larger of stride 2 and dilation 1"):
        conv_transpose2d.forward(x, weight, stride=2, output_padding=(0, 2))
    rows, matrix = SMALL(5, 3), SMALL(3, 4)
    with pytest.raises(ShapeError, match=r"linear weight: wanted shape \(C, O\) = \(3, any\), got \(2, 4\)"):
        linear.forward(rows, matrix[1:])
    with pytest.raises(ShapeError, match=r"linear grad_y: wanted shape \(N, O\)"):
        linear.backward(SMALL(4, 4), rows, matrix)
    with pytest.raises(TypeError, match="wanted all float32"):
        linear.backward(SMALL(5, 4).astype(np.float64), rows, matrix)


@pytest.mark.parametrize("channels", [1, 16])
def test_a_transposed_convolution_of_single_pixels_fills_its_output_padding(channels: int) -> None:
    """A 1 x 1 window is a linear layer, but for the rows that output padding adds."""
    x = np.ones((2, 3, 3, channels), np.float32)
    weight, bias = np.ones((1, 1, channels, channels), np.float32), np.full(channels, 0.5, np.float32)
    y = conv_transpose2d.forward(x, weight, bias, dilation=(2, 1), output_padding=(1, 0))
    assert y.shape == (2, 4, 3, channels) and (y[:, 3] == 0.5).all() and (y[:, :3] == channels + 0.5).all()
    grad_x, grad_weight, grad_bias = conv_transpose2d.backward(np.ones_like(y), x, weight, dilation=(2, 1))
    assert (grad_x == channels).all() and (grad_weight == 18).all() and (grad_bias == 24).all()
