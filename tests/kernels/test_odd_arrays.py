"""Odd arrays: no samples, no channels, another byte order, minus infinity, a scale that is not positive. Every backend
answers them as NumPy does, or says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest
from minisd_kernels import attention, conv2d, conv_transpose2d, embedding, group_norm, linear, max_pool2d, upsample2d
from minisd_kernels.backends import use_backend
from strategies import Array, Arrays, each_backend, run

MAKE = Arrays(0, np.float32)


def both_ways(operation: Any, x: Array, *rest: Array, **options: Any) -> list[Array]:
    y = operation.forward(x, *rest, **options)
    return [y, *operation.backward(np.ones_like(y), x, rest[0], **options)]


def normed(x: Array) -> list[Array]:
    C = x.shape[-1]
    ones = np.ones(C, np.float32)
    y, mean, rstd = group_norm.forward(x, ones, ones, groups=2, silu=True)
    return [y, *group_norm.backward(y, x, ones, ones, mean, rstd, groups=2, silu=True)]


EMPTY: dict[str, Callable[[], list[Array]]] = {
    "linear without inputs": lambda: both_ways(linear, MAKE(5, 0), MAKE(0, 40), MAKE(40)),
    "linear without outputs": lambda: both_ways(linear, MAKE(5, 3), MAKE(3, 0), MAKE(0)),
    "linear without rows": lambda: both_ways(linear, MAKE(0, 3), MAKE(3, 4), MAKE(4)),
    "conv2d without inputs": lambda: both_ways(conv2d, MAKE(2, 5, 4, 0), MAKE(3, 3, 0, 17), MAKE(17), padding=1),
    "conv2d without inputs, thin": lambda: both_ways(conv2d, MAKE(2, 5, 4, 0), MAKE(3, 3, 0, 2), MAKE(2)),
    "conv2d without inputs, 1 x 1": lambda: both_ways(conv2d, MAKE(2, 5, 4, 0), MAKE(1, 1, 0, 2), MAKE(2)),
    "conv2d without outputs": lambda: both_ways(conv2d, MAKE(2, 5, 4, 3), MAKE(3, 3, 3, 0), MAKE(0)),
    "conv2d without samples": lambda: both_ways(conv2d, MAKE(0, 5, 4, 3), MAKE(3, 3, 3, 17), MAKE(17)),
    "conv2d without samples, 1 x 1": lambda: both_ways(conv2d, MAKE(0, 5, 4, 3), MAKE(1, 1, 3, 17), MAKE(17)),
    "conv_transpose2d without samples": lambda: both_ways(
        conv_transpose2d, MAKE(0, 3, 2, 3), MAKE(2, 2, 3, 4), stride=2
    ),
    "group norm without samples": lambda: normed(MAKE(0, 3, 4, 8)),
    "upsample2d without channels": lambda: [upsample2d.forward(MAKE(2, 3, 4, 0), scale=2)],
    "max_pool2d without channels": lambda: [max_pool2d.forward(MAKE(2, 4, 4, 0), window=2)[0]],
    "embedding of no width": lambda: [embedding.backward(MAKE(3, 0), np.array([1, 0, 1]), vocabulary=2)],
}


@pytest.mark.parametrize("name", EMPTY)
def test_what_is_empty_is_as_in_numpy(name: str) -> None:
    results = []
    for backend in ("numpy", "numba"):
        MAKE.rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
        with use_backend(backend):
            results.append(EMPTY[name]())
    for want, got in zip(*results, strict=True):
        assert got.shape == want.shape and got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_another_byte_order_is_named() -> None:
    swapped = MAKE(3, 4).astype(">f4")
    with pytest.raises(TypeError, match="linear: wanted all float32 or all float64, got >f4"):
        linear.forward(swapped, MAKE(4, 2))


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
