"""Classifier-free guidance: its identities, and one doubled call against two single ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.diffusion.guidance import ClassifierFreeGuidance, guided, join_batches
from minisd.diffusion.samplers import initial_noise, sample, sample_rngs
from minisd.diffusion.schedule import Array, make_schedule


class Context(NamedTuple):
    tokens: Array  # (B, M, D)
    pooled: Array  # (B, D)


class CountingModel:
    """Plain arithmetic that uses x_t, t and both parts of the context, and keeps the batch sizes it was asked for."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x_t: Array, t: Array, context: Context) -> Array:
        B = x_t.shape[0]
        assert t.shape == (B,) and context.tokens.shape[0] == context.pooled.shape[0] == B
        self.batches.append(B)
        weight = context.tokens[:, 0, 0] + (t / 1000).astype(x_t.dtype)
        return x_t * weight.reshape(B, 1, 1, 1) + context.pooled.reshape(B, 1, 1, -1)


def contexts(B: int, dtype: type[Any] = np.float64) -> tuple[Context, Context]:
    rng = np.random.default_rng(5)
    context = Context(rng.standard_normal((B, 4, 3)).astype(dtype), rng.standard_normal((B, 2)).astype(dtype))
    return context, Context(*(np.zeros_like(part) for part in context))


@given(st.integers(0, 99), st.floats(-2, 20))
def test_guided_identities(seed: int, scale: float) -> None:
    cond, uncond = np.random.default_rng(seed).standard_normal((2, 2, 3, 4, 1))
    np.testing.assert_array_equal(guided(cond, uncond, 0.0), uncond)
    np.testing.assert_allclose(guided(cond, uncond, 1.0), cond, atol=1e-14)
    np.testing.assert_array_equal(guided(cond, cond, scale), cond)
    w = scale - 1  # as the paper counts
    np.testing.assert_allclose(guided(cond, uncond, scale), (1 + w) * cond - w * uncond, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [0.0, 0.5, 7.5])
def test_one_doubled_call_equals_two(scale: float, dtype: type[Any]) -> None:
    context, null_context = contexts(3, dtype)
    x_t, t = initial_noise((4, 5, 2), sample_rngs(seed=0, count=3), dtype), np.full(3, 400)
    model = CountingModel()
    predicted = ClassifierFreeGuidance(model, context, null_context, scale)(x_t, t)
    assert model.batches == [6] and predicted.dtype == dtype
    np.testing.assert_array_equal(predicted, guided(model(x_t, t, context), model(x_t, t, null_context), scale))


def test_scale_1_asks_once() -> None:
    context, null_context = contexts(2)
    x_t, t = initial_noise((4, 5, 2), sample_rngs(seed=0, count=2), np.float64), np.full(2, 400)
    model = CountingModel()
    predicted = ClassifierFreeGuidance(model, context, null_context, 1.0)(x_t, t)
    assert model.batches == [2]
    np.testing.assert_array_equal(predicted, model(x_t, t, context))


@pytest.mark.parametrize("t", [0, 1, 50, 999])
def test_every_t_is_guided_if_nothing_is_said(t: int) -> None:
    context, null_context = contexts(2)
    x_t, times = initial_noise((4, 5, 2), sample_rngs(seed=0, count=2), np.float64), np.full(2, t)
    model = CountingModel()
    predicted = ClassifierFreeGuidance(model, context, null_context, 3.0)(x_t, times)
    wanted = guided(model(x_t, times, context), model(x_t, times, null_context), 3.0)
    np.testing.assert_array_equal(predicted, wanted)


def test_interval_guides_inside_only() -> None:
    context, null_context = contexts(3)
    x_t, t = initial_noise((4, 5, 2), sample_rngs(seed=0, count=3), np.float64), np.array([199, 200, 800])
    model = CountingModel()
    follow = ClassifierFreeGuidance(model, context, null_context, 3.0, interval=(200, 800))
    plain, everywhere = model(x_t, t, context), ClassifierFreeGuidance(model, context, null_context, 3.0)(x_t, t)
    np.testing.assert_allclose(follow(x_t, t), np.stack([plain[0], everywhere[1], plain[2]]), atol=1e-12)

    model.batches.clear()
    follow = ClassifierFreeGuidance(model, context, null_context, 3.0, interval=(200, 800))
    sample(follow, x_t, make_schedule("scaled_linear"), steps=5)  # t = 999, 799, 599, 399, 199
    assert model.batches == [3, 6, 6, 6, 3]


def test_guiding_v_is_guiding_noise() -> None:
    schedule = make_schedule("scaled_linear")
    v_cond, v_uncond, x_t = np.random.default_rng(0).standard_normal((3, 2, 3, 4, 1))
    noise = guided(schedule.noise_from_v(x_t, v_cond, 300), schedule.noise_from_v(x_t, v_uncond, 300), 4.0)
    np.testing.assert_allclose(schedule.noise_from_v(x_t, guided(v_cond, v_uncond, 4.0), 300), noise, atol=1e-12)


def test_contexts_join_as_arrays_tuples_and_named_tuples() -> None:
    a, b = np.zeros((2, 3)), np.ones((2, 3))
    assert join_batches(a, b).shape == (4, 3)
    tokens, (pooled,) = join_batches((a, (b,)), (b, (a,)))
    np.testing.assert_array_equal(tokens[:, 0], [0, 0, 1, 1])
    np.testing.assert_array_equal(pooled[:, 0], [1, 1, 0, 0])
    context, null_context = contexts(2)
    assert isinstance(join_batches(null_context, context), Context)
    with pytest.raises(ValueError, match=r"got \(1, 3\) and \(2, 3\); repeat the empty prompt"):
        ClassifierFreeGuidance(CountingModel(), context=b, null_context=a[:1], guidance_scale=2.0)
