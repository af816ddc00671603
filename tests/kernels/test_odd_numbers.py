"""Odd numbers: another byte order, minus infinity, a scale that is not positive. Every backend answers them as the
equation does, or says what is wrong. How arrays lie, and empty ones: test_layouts.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from minisd_kernels import attention, conv_transpose2d, linear, max_pool2d
from strategies import Arrays, each_backend, run

MAKE = Arrays(0, np.float32)


def test_another_byte_order_is_named() -> None:
    swapped = MAKE(3, 4).astype(">f4")
    with pytest.raises(TypeError, match="linear: wanted all float32 or all float64, got >f4"):
        linear.forward(swapped, MAKE(4, 2))


def test_what_is_no_array_is_named() -> None:
    with pytest.raises(TypeError, match="linear: wanted arrays, got list, NoneType; use"):
        linear.forward([[1.0]], None, MAKE(2))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("scale", [-0.7, 0.0, 0.7])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_takes_any_scale(backend: str, scale: float, causal: bool) -> None:
    query, key, value, grad = MAKE(2, 7, 2, 5), MAKE(2, 7, 2, 5), MAKE(2, 7, 2, 5), MAKE(2, 7, 2, 5)
    options = {"scale": scale, "causal": causal}
    out, logsumexp = run(backend, attention.forward, query, key, value, **options)
    wanted, wanted_log = oracles.attention(query, key, value, scale, causal)
    np.testing.assert_allclose(out, wanted, **MAKE.tolerance)
    np.testing.assert_allclose(logsumexp, wanted_log, **MAKE.tolerance)
    got = run(backend, attention.backward, grad, query, key, value, out, logsumexp, **options)
    for one, want in zip(got, oracles.attention_gradients(grad, query, key, value, scale, causal), strict=True):
        np.testing.assert_allclose(one, want, **MAKE.tolerance)


@each_backend
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_maximum_of_minus_infinity_is_a_pixel(backend: str, dtype: Any) -> None:
    x = np.full((1, 3, 3, 1), -np.inf, dtype)
    options: dict[str, Any] = {"window": 3, "stride": 2, "padding": 1}
    y, argmax = run(backend, max_pool2d.forward, x, **options)
    assert argmax.ravel().tolist() == [4, 3, 1, 0]  # the window's first place in the picture
    grad_x = run(backend, max_pool2d.backward, np.ones_like(y), argmax, x_shape=x.shape, **options)
    assert grad_x.sum() == 4


@each_backend
def test_output_padding_below_the_dilation(backend: str) -> None:
    x, weight, bias = MAKE(1, 4, 3, 2), MAKE(3, 3, 2, 3), MAKE(3)
    options: dict[str, Any] = {"dilation": 2, "padding": 1}
    y = run(backend, conv_transpose2d.forward, x, weight, bias, output_padding=1, **options)
    geometry = ((1, 1), (1, 1), (2, 2), (1, 1))
    np.testing.assert_allclose(y, oracles.conv_transpose2d(x, weight, bias, *geometry), **MAKE.tolerance)
    grad = MAKE(*y.shape)
    got = run(backend, conv_transpose2d.backward, grad, x, weight, **options)
    for one, want in zip(got, oracles.conv_transpose2d_gradients(grad, x, weight, *geometry[:3]), strict=True):
        np.testing.assert_allclose(one, want, **MAKE.tolerance)
