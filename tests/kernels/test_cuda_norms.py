"""The CUDA kernels of the norms, pooling and upsampling where they choose among versions by size: on the emulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from minisd_kernels import group_norm, layer_norm, max_pool2d, upsample2d
from minisd_kernels.backends import use_backend
from minisd_kernels.cuda.column_sums import column_sums
from minisd_kernels.devices import missing_device_reason, to_device, to_host
from minisd_kernels.emulator.inspect.watching import watching
from minisd_kernels.group_norm import cupy_gpu as ladder
from strategies import Array, Arrays

pytestmark = pytest.mark.skipif(missing_device_reason("emu") is not None, reason=str(missing_device_reason("emu")))


def emulated(operation: Callable[..., Any], *arguments: Any, **options: Any) -> list[Array]:
    """The operation's results; arrays travel to the emulated device."""
    results = operation(*(to_device(a, "emu") if isinstance(a, np.ndarray) else a for a in arguments), **options)
    return [to_host(a) for a in (results if isinstance(results, tuple) else (results,))]


def reference(operation: Callable[..., Any], *arguments: Any, **options: Any) -> list[Array]:
    with use_backend("numpy"):
        results = operation(*arguments, **options)
    return list(results) if isinstance(results, tuple) else [results]


def same(got: list[Array], want: list[Array], tolerance: float = 1e-4) -> None:
    for one, other in zip(got, want, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# Groups that fill a vector of four channels and that do not, pictures that fit a block's registers and that do not,
# in one slice or many, and two that only the plain kernels can do.
each_size = pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((2, 49, 32), 8),  # one slice
        ((2, 784, 16), 4),  # slices; the last pixels fill no row of threads
        ((1, 64, 40), 4),  # groups of 10
        ((2, 5, 36), 36),  # groups of one channel
        ((1, 3, 300), 2),  # more vectors than threads in a row
        ((2, 2500, 24), 2),  # backward in chunks, forward not
        ((1, 7000, 16), 4),  # both in chunks, the last one short
        ((1, 1300, 80), 8),
        ((2, 30, 6), 3),
        ((1, 3, 4100), 1),
    ],
)


def norm_arrays(shape: tuple[int, ...]) -> list[Array]:
    make = Arrays(0, np.float32)
    return [make(*shape) + np.float32(3), make(shape[-1]), make(shape[-1]), make(*shape)]


@each_size
@pytest.mark.parametrize("silu", [False, True])
def test_group_norm_of_any_size(shape: tuple[int, ...], groups: int, silu: bool) -> None:
    x, gamma, beta, grad_y = norm_arrays(shape)
    y, mean, rstd = reference(group_norm.forward, x, gamma, beta, groups=groups, silu=silu)
    same(emulated(group_norm.forward, x, gamma, beta, groups=groups, silu=silu), [y, mean, rstd])
    saved = x, gamma, beta, mean, rstd
    want = reference(group_norm.backward, grad_y, *saved, groups=groups, silu=silu)
    same(emulated(group_norm.backward, grad_y, *saved, groups=groups, silu=silu), want, 1e-3)


@pytest.mark.parametrize("step", ladder.STEPS)
def test_every_step_of_the_ladder_is_the_equation(step: str) -> None:
    x, gamma, beta, grad_y = norm_arrays((2, 130, 24))
    y, mean, rstd = reference(group_norm.forward, x, gamma, beta, groups=3, silu=True)
    same(emulated(ladder.forward_by, step, x, gamma, beta, 3, 1e-5, True), [y, mean, rstd])
    want = reference(group_norm.backward, grad_y, x, gamma, beta, mean, rstd, groups=3, silu=True)
    saved = to_device(mean, "emu"), to_device(rstd, "emu")
    same(emulated(ladder.backward_by, step, grad_y, x, gamma, beta, saved, 3, True), want, 1e-3)


def test_a_step_that_cannot_take_the_arrays_says_which_can() -> None:
    x, gamma, beta = Arrays(0, np.float32)(1, 90, 6), np.ones(6, np.float32), np.zeros(6, np.float32)
    with pytest.raises(ValueError, match=r"'kept' for float32 of shape \(1, 90, 6\) on emu; choose one of plain$"):
        emulated(ladder.forward_by, "kept", x, gamma, beta, 3, 1e-5, True)
    wide = [Arrays(0, np.float32)(*shape) for shape in ((1, 7000, 64), (64,), (64,))]
    with pytest.raises(ValueError, match=r"choose one of plain, chunks$"):
        emulated(ladder.forward_by, "kept", *wide, 1, 1e-5, True)


@pytest.mark.parametrize(("shape", "groups"), [((3, 784, 16), 4), ((3, 2500, 40), 4)])
def test_a_picture_of_group_norm_does_not_depend_on_its_company(shape: tuple[int, ...], groups: int) -> None:
    x, gamma, beta, grad_y = norm_arrays(shape)
    y, mean, rstd = emulated(group_norm.forward, x, gamma, beta, groups=groups)
    grad_x, *_ = emulated(group_norm.backward, grad_y, x, gamma, beta, mean, rstd, groups=groups)
    alone = emulated(group_norm.forward, x[1:2], gamma, beta, groups=groups)
    saved = gamma, beta, mean[1:2], rstd[1:2]
    alone += emulated(group_norm.backward, grad_y[1:2], x[1:2], *saved, groups=groups)[:1]
    for one, many in zip(alone, [y, mean, rstd, grad_x], strict=True):
        np.testing.assert_array_equal(one[0], many[1])


# Both kinds of statistics: all pixels in one block, and merged from chunks.
@pytest.mark.parametrize("N", [90, 7000])
def test_an_outlier_or_a_distant_mean_costs_no_digits(N: int) -> None:
    x, gamma, beta, _ = norm_arrays((2, N, 16))
    x[0] += 1000
    x[1, 0, 0] = 1e4
    _, mean, rstd = emulated(group_norm.forward, x, gamma, beta, groups=2)
    grouped = x.astype(np.float64).reshape(2, N, 2, 8)
    spread = np.sqrt(grouped.var(axis=(1, 3)) + 1e-5)
    np.testing.assert_array_less(abs(mean - grouped.mean(axis=(1, 3))), 1e-6 * (spread + abs(mean)))
    np.testing.assert_allclose(rstd, 1 / spread, rtol=2e-6)


# One warp a row and several, fewer rows than blocks and several for each, and a row that only the plain kernels can do.
@pytest.mark.parametrize("shape", [(5, 4), (9, 320), (3, 1280), (258, 1540), (3100, 8), (2, 4100), (7, 30), (0, 8)])
def test_layer_norm_of_any_size(shape: tuple[int, ...]) -> None:
    x, gamma, beta, grad_y = norm_arrays(shape)
    y, mean, rstd = reference(layer_norm.forward, x, gamma, beta)
    same(emulated(layer_norm.forward, x, gamma, beta), [y, mean, rstd])
    want = reference(layer_norm.backward, grad_y, x, gamma, mean, rstd)
    same(emulated(layer_norm.backward, grad_y, x, gamma, mean, rstd), want, 1e-3)


@pytest.mark.parametrize("window", [2, (2, 3), 1, (1, 300)])
@pytest.mark.parametrize("C", [3, 4, 12])
def test_pooling_of_any_width(C: int, window: int | tuple[int, int]) -> None:
    make = Arrays(1, np.float32)
    x = make(2, 5, 302, C)
    x.reshape(-1)[::31] = np.nan
    y, argmax = reference(max_pool2d.forward, x, window=window)
    same(emulated(max_pool2d.forward, x, window=window), [y, argmax], 0)
    grad_y = make(*y.shape)
    want = reference(max_pool2d.backward, grad_y, argmax, x_shape=x.shape, window=window)
    same(emulated(max_pool2d.backward, grad_y, argmax, x_shape=x.shape, window=window), want, 0)


@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (1, 2, 3, 1280), (0, 2, 2, 4), (2, 3, 5, 6)])
def test_upsampling_of_any_width(shape: tuple[int, ...]) -> None:
    make = Arrays(2, np.float32)
    x, grad_y = make(*shape), make(shape[0], shape[1] * 2, shape[2] * 3, shape[3])
    same(emulated(upsample2d.forward, x, scale=(2, 3)), reference(upsample2d.forward, x, scale=(2, 3)), 0)
    same(
        emulated(upsample2d.backward, grad_y, scale=(2, 3)), reference(upsample2d.backward, grad_y, scale=(2, 3)), 1e-6
    )


def test_a_view_may_begin_anywhere() -> None:
    x = Arrays(3, np.float32)(1 + 2 * 4 * 4 * 8)
    view, whole = to_device(x, "emu")[1:].reshape(2, 4, 4, 8), x[1:].reshape(2, 4, 4, 8)
    ones, zeros = (to_device(a, "emu") for a in (np.ones(8, np.float32), np.zeros(8, np.float32)))
    for got, want in [
        (group_norm.forward(view, ones, zeros, groups=2), emulated(group_norm.forward, whole, ones, zeros, groups=2)),
        (layer_norm.forward(view, ones, zeros), emulated(layer_norm.forward, whole, ones, zeros)),
        (max_pool2d.forward(view, window=2), emulated(max_pool2d.forward, whole, window=2)),
        ((upsample2d.forward(view, scale=2),), emulated(upsample2d.forward, whole, scale=2)),
    ]:
        same([to_host(a) for a in got], want, 1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 100, 17), (3, 0, 5), (1, 31, 8)])
def test_column_sums(shape: tuple[int, int, int]) -> None:
    parts = Arrays(4, np.float32)(*shape)
    np.testing.assert_allclose(emulated(column_sums, parts)[0], parts.sum(axis=1, dtype=np.float64), rtol=1e-5)


def test_no_races_and_no_order_of_threads_that_matters() -> None:
    def everything() -> list[Array]:
        results = []
        for shape, groups in [((2, 49, 32), 8), ((1, 2500, 40), 4), ((1, 64, 40), 4)]:
            x, gamma, beta, grad_y = norm_arrays(shape)
            y, mean, rstd = emulated(group_norm.forward, x, gamma, beta, groups=groups, silu=True)
            saved = x, gamma, beta, mean, rstd
            results += [y, *emulated(group_norm.backward, grad_y, *saved, groups=groups, silu=True)]
        for shape in [(30, 64), (258, 1540)]:
            x, gamma, beta, grad_y = norm_arrays(shape)
            y, mean, rstd = emulated(layer_norm.forward, x, gamma, beta)
            results += [y, *emulated(layer_norm.backward, grad_y, x, gamma, mean, rstd)]
        x = Arrays(5, np.float32)(2, 7, 9, 8)
        y, argmax = emulated(max_pool2d.forward, x, window=2)
        results += [y, *emulated(max_pool2d.backward, y, argmax, x_shape=x.shape, window=2)]
        return [
            *results,
            *emulated(upsample2d.forward, x, scale=2),
            *emulated(upsample2d.backward, x[:, :6, :8], scale=2),
        ]

    with watching(races=True):
        one_way = everything()
    with watching(races=False, reversed=True):
        other_way = everything()
    for one, other in zip(one_way, other_way, strict=True):
        np.testing.assert_array_equal(one, other)
