"""Vectors in Numba kernels against NumPy, lane by lane, and the exponential behind the activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from minisd_kernels.fast_exp import exp, sigmoid
from minisd_kernels.vectors import (
    LANES,
    add_to,
    broadcast,
    load,
    load_bytes,
    load_some,
    maximum,
    minimum,
    store,
    store_bytes,
    store_some,
    total,
    where,
)

jit: Callable[..., Any] = numba.njit(error_model="numpy")
SPECIAL = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 3], np.float32)


@jit
def exp_of_vectors(x, y):
    for i in range(0, x.size, LANES):
        store_some(y, i, exp(load_some(x, i, x.size - i)), x.size - i)


@jit
def exp_of_numbers(x, y):
    for i in range(x.size):
        y[i] = exp(x[i])


@jit
def sigmoid_of_vectors(x, y):
    for i in range(0, x.size, LANES):
        store_some(y, i, sigmoid(load_some(x, i, x.size - i)), x.size - i)


@jit
def sigmoid_of_numbers(x, y):
    for i in range(x.size):
        y[i] = sigmoid(x[i])


@pytest.mark.parametrize("kernel", [exp_of_vectors, exp_of_numbers])
def test_exp_is_right_to_1e_7(kernel: Callable[..., None]) -> None:
    x = np.linspace(-87.3, 88.3, 1_000_001, dtype=np.float32)
    y = np.full_like(x, np.nan)
    kernel(x, y)
    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)), rtol=1e-7)
    x = np.array([0, -87.7, -1e30, -np.inf, 88.4, 1e30, np.inf, np.nan], np.float32)
    y = np.full_like(x, 7)
    kernel(x, y)
    np.testing.assert_array_equal(y, [1, 0, 0, 0, np.inf, np.inf, np.inf, np.nan])


def test_no_bits_of_nan_turn_it_into_a_number() -> None:
    x = np.array([0x7FC00000, 0x7FC001FF, 0x7FFFFFFF, 0xFFC12345] * 4, np.uint32).view(np.float32)
    for kernel in (exp_of_vectors, exp_of_numbers, sigmoid_of_vectors):
        y = np.zeros_like(x)
        kernel(x, y)
        assert np.isnan(y).all()


@pytest.mark.parametrize("kernel", [sigmoid_of_vectors, sigmoid_of_numbers])
def test_sigmoid_is_right_to_2e_7(kernel: Callable[..., None]) -> None:
    x = np.linspace(-86, 100, 1_000_001, dtype=np.float32)
    y = np.full_like(x, np.nan)
    kernel(x, y)
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-x.astype(np.float64))), rtol=2e-7)
    x = np.array([0, -1e30, -np.inf, 1e30, np.inf], np.float32)
    y = np.full_like(x, 7)
    kernel(x, y)
    np.testing.assert_array_equal(y, [0.5, 0, 0, 1, 1])


@jit
def choose(a, b, out):
    v, w = load(a, 0), load(b, 0)
    store(out, 0, maximum(v, w))
    store(out, LANES, minimum(v, w))
    store(out, 2 * LANES, where((v >= w) | (v == np.float32(1)), v, np.float32(-7)))
    store(out, 3 * LANES, where(v != v, -w, w))


def test_maximum_minimum_and_where() -> None:
    a, b = np.resize(SPECIAL, LANES), np.resize(SPECIAL[::-1], LANES)
    out = np.full(4 * LANES, 99, np.float32)
    choose(a, b, out)
    wanted = [
        np.where(a > b, a, b),
        np.where(a < b, a, b),
        np.where((a >= b) | (a == 1), a, -7),
        np.where(np.isnan(a), -b, b),
    ]
    np.testing.assert_array_equal(out.reshape(4, LANES), wanted)


@jit
def fold(x):
    return total(load(x, 0)), total(broadcast(np.float32(0.5)))


def test_total() -> None:
    for lane in range(LANES):
        x = 2.0 ** np.roll(np.arange(LANES), lane)  # every lane counts once: another sum would show
        assert fold(x.astype(np.float32)) == (2.0**LANES - 1, LANES / 2)


@jit
def some(x, y, bytes_in, bytes_out, sums, count):
    v = load_some(x, 1, count)
    store_some(y, 1, v, count)
    add_to(sums, 0, v)
    store_bytes(bytes_out, 1, load_bytes(bytes_in, 1, count), count)


def test_some_lanes_touch_nothing_else() -> None:
    for count in (1, LANES - 1, LANES, LANES + 5):
        x, bytes_in = np.arange(2.0, 2 * LANES + 9, dtype=np.float32), np.arange(240, 255, dtype=np.uint8)
        bytes_in = np.resize(bytes_in, 2 * LANES)
        y, bytes_out, sums = np.full_like(x, -1), np.full_like(bytes_in, 7), np.ones(LANES)
        some(x, y, bytes_in, bytes_out, sums, count)
        used = min(count, LANES)
        for got, given, left in ((y, x, -1), (bytes_out, bytes_in, 7)):
            np.testing.assert_array_equal(got[1 : 1 + used], given[1 : 1 + used])
            assert got[0] == left and (got[1 + used :] == left).all()
        np.testing.assert_array_equal(sums, 1 + np.concatenate([x[1 : 1 + used], np.zeros(LANES - used)]))
