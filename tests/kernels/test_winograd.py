"""Winograd's 3 x 3 convolution: the numbers of the plain sum at every size, its rounding bounded, the same bits
whatever runs beside, and off when told so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from minisd_kernels import conv2d, switches
from minisd_kernels.arguments import Pair, Sides
from minisd_kernels.backends import use_backend
from minisd_kernels.conv2d import numba_cpu, numpy_ref, winograd, winograd_weight
from strategies import Array, Arrays, few, on_one_thread

ONE, ONE_ROUND = (1, 1), ((1, 1), (1, 1))
# Channels across the kernel's panels of 32 (or fewer) and blocks of 64; sizes that fill and do not fill 4 x 4 tiles.
channels = st.sampled_from([1, 3, 31, 33, 64, 65, 70])
sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))
both = st.tuples(st.integers(1, 4), st.integers(1, 4))  # 3 and 4: a gradient whose border is cut off
paddings = st.tuples(both, both)


def outputs(size: Pair, padding: Sides) -> Pair:
    return size[0] + sum(padding[0]) - 2, size[1] + sum(padding[1]) - 2


def forward(x: Array, weight: Array, padding: Sides, bias: Array | None = None) -> Array:
    y = np.full((len(x), *outputs((x.shape[1], x.shape[2]), padding), weight.shape[3]), np.nan, np.float32)
    winograd.forward(x, weight, bias, y, padding)
    return y


def input_gradient(grad: Array, weight: Array, size: Pair, padding: Sides) -> Array:
    grad_x = np.full((len(grad), *size, weight.shape[2]), np.nan, np.float32)
    winograd.input_gradient(grad, weight, None, grad_x, padding)
    return grad_x


def error(got: Array, exact: Array) -> float:
    """The largest error, relative to the largest output."""
    return float(np.abs(got - exact).max() / (np.abs(exact).max() + 1e-30))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), sizes, paddings, channels, channels)
@example(0, 2, (3, 9), ((0, 0), (0, 0)), 33, 65)
@example(0, 1, (3, 3), ((0, 0), (0, 0)), 1, 1)
@example(0, 1, (1, 1), ((1, 1), (1, 1)), 3, 3)
@example(0, 2, (9, 8), ((0, 2), (4, 1)), 33, 40)
@example(0, 1, (56, 57), ((1, 1), (0, 0)), 3, 33)  # 210 tiles: two groups, not equally large
@example(0, 3, (56, 57), ((0, 0), (0, 0)), 3, 33)  # 588 tiles: groups that the threads share
@example(0, 3, (9, 3), ((1, 1), (1, 1)), 65, 512)  # a wide weight: threads share 9 tiles, then its panels
@few
def test_it_is_the_convolution(seed: int, B: int, size: Pair, padding: Sides, C: int, O: int) -> None:
    make = Arrays(seed, np.float32)
    x, weight, bias = make(B, *size, C), make(3, 3, C, O), make(O)
    exact_weight, out = weight.astype(float), outputs(size, padding)
    exact = numpy_ref.forward(x.astype(float), exact_weight, None, out, ONE, padding, ONE)
    assert error(forward(x, weight, padding), exact) < 4e-5
    assert error(winograd.plain_forward(x, weight, padding), exact) < 4e-5
    assert error(forward(x, weight, padding, bias), exact + bias) < 4e-5
    grad = make(B, *out, O)
    exact = numpy_ref.input_gradient(grad.astype(float), exact_weight, None, size, ONE, padding, ONE)
    assert error(input_gradient(grad, weight, size, padding), exact) < 4e-5
    exact_weight, exact_bias = numpy_ref.weight_gradient(grad.astype(float), x.astype(float), (3, 3), ONE, padding, ONE)
    grad_weight, grad_bias = winograd_weight.weight_gradient(grad, x, padding)
    assert error(grad_weight, exact_weight) < 4e-5
    np.testing.assert_allclose(grad_bias, exact_bias, rtol=0, atol=1e-6 * float(np.abs(grad).sum()))


@pytest.mark.parametrize("C", [16, 128, 512])
def test_its_rounding_is_bounded_and_larger_than_the_plain_sum_s(C: int) -> None:
    make = Arrays(1, np.float32)
    x, weight = make(1, 12, 12, C), make(3, 3, C, 64)
    exact = numpy_ref.forward(x.astype(float), weight.astype(float), None, (12, 12), ONE, ONE_ROUND, ONE)
    with switches.winograd.off():
        direct = error(numba_cpu.forward(x, weight, None, (12, 12), ONE, ONE_ROUND, ONE), exact)
    assert direct < 5e-6
    assert direct < error(forward(x, weight, ONE_ROUND), exact) < 2e-5


def test_the_same_bits_whatever_the_batch_and_the_threads() -> None:
    # 25 tiles a picture, 1500 in all: 27 groups that the threads share, where one picture's panels are shared.
    make, size, padding = Arrays(2, np.float32), (17, 22), ((1, 1), (0, 0))
    x, weight = make(60, *size, 70), make(3, 3, 70, 40)
    y = forward(x, weight, padding)
    grad_x = input_gradient(y, weight, size, padding)
    np.testing.assert_array_equal(on_one_thread(lambda: forward(x, weight, padding)), y)
    np.testing.assert_array_equal(on_one_thread(lambda: input_gradient(y, weight, size, padding)), grad_x)
    for got, want in zip(
        on_one_thread(lambda: winograd_weight.weight_gradient(y, x, padding)),
        winograd_weight.weight_gradient(y, x, padding),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)
    for part in (slice(0, 1), slice(1, 30), slice(30, 60)):
        np.testing.assert_array_equal(forward(x[part], weight, padding), y[part])
        np.testing.assert_array_equal(input_gradient(y[part], weight, size, padding), grad_x[part])


def test_wide_convolutions_take_it_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Arrays(3, np.float32)
    x, weight, bias = make(2, 8, 9, 128), make(3, 3, 128, 128), make(128)

    def both() -> list[Array]:
        y = conv2d.forward(x, weight, bias, padding=1)
        return [y, np.asarray(conv2d.backward(x, x, weight, padding=1)[0])]

    with use_backend("numba"):
        wide = both()
        with switches.winograd.off():
            plain = both()
        np.testing.assert_array_equal(wide[0], forward(x, weight, ONE_ROUND, bias))
        np.testing.assert_array_equal(wide[1], input_gradient(x, weight, (8, 9), ONE_ROUND))
        monkeypatch.setenv("MINISD_WINOGRAD", "0")
        for got, want, other in zip(both(), plain, wide, strict=True):
            np.testing.assert_array_equal(got, want)
            assert 0 < error(other, want) < 2e-5
        monkeypatch.undo()
        # Strides, dilations and other windows are not its business.
        conv2d.forward(x, weight, stride=2), conv2d.forward(x, weight, dilation=2)
        conv2d.forward(x, weight[:2], padding=1)


def test_an_empty_batch_stays_empty() -> None:
    assert forward(np.empty((0, 8, 8, 3), np.float32), np.ones((3, 3, 3, 2), np.float32), ONE_ROUND).shape == (
        0,
        8,
        8,
        2,
    )


def test_nan_stays_in_the_tiles_that_see_it() -> None:
    make = Arrays(4, np.float32)
    x = make(2, 12, 12, 3)
    x[0, 5, 5, 0] = np.nan
    y = forward(x, make(3, 3, 3, 2), ONE_ROUND)
    assert np.isnan(y[0, 4:7, 4:7]).all()
    assert np.isnan(y[0]).sum() == np.isnan(y[0, 4:8, 4:8]).sum() and np.isfinite(y[1]).all()
