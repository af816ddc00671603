"""Classifier-free guidance: its identities, and one doubled call against two single ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.diffusion.guidance import ClassifierFreeGuidance, guided, join_batches, rescaled
from minisd.diffusion.prediction import PREDICTIONS, x_0_and_noise
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


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_guiding_a_prediction_is_guiding_the_noise(prediction: str) -> None:
    cond, uncond, x_t = np.random.default_rng(0).standard_normal((3, 2, 3, 4, 1))

    def noise(predicted: Array) -> Array:
        return x_0_and_noise(prediction, predicted, x_t, 0.6, 0.8)[1]

    wanted = guided(noise(cond), noise(uncond), 4.0)
    np.testing.assert_allclose(noise(guided(cond, uncond, 4.0)), wanted, atol=1e-12)


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


def test_rescaling_gives_each_sample_its_contrast_back() -> None:
    cond, guidance = np.random.default_rng(0).standard_normal((2, 3, 4, 5, 2)) * [[[[1.0, 3.0]]]]
    all_of_it, half, nothing = (rescaled(guidance, cond, share) for share in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(all_of_it.std(axis=(1, 2, 3)), cond.std(axis=(1, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(half, (all_of_it + guidance) / 2)
    np.testing.assert_array_equal(nothing, guidance)
    np.testing.assert_array_equal(rescaled(guidance[1:2], cond[1:2], 0.7)[0], rescaled(guidance, cond, 0.7)[1])
    assert np.isfinite(rescaled(0 * guidance, cond, 1.0)).all()


def test_guidance_is_rescaled_by_the_prediction_with_the_prompt() -> None:
    context, null_context = contexts(3, np.float32)
    x_t, t = initial_noise((4, 5, 2), sample_rngs(seed=0, count=3)), np.full(3, 400)
    model = CountingModel()
    plain = ClassifierFreeGuidance(model, context, null_context, 5.0)(x_t, t)
    found = ClassifierFreeGuidance(model, context, null_context, 5.0, rescale=0.7)(x_t, t)
    np.testing.assert_array_equal(found, rescaled(plain, model(x_t, t, context), 0.7))
    assert found.dtype == np.float32 and (found != plain).any()
    outside = ClassifierFreeGuidance(model, context, null_context, 5.0, interval=(500, 900), rescale=0.7)
    np.testing.assert_array_equal(outside(x_t, t), model(x_t, t, context))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"guidance_scale": np.nan}, "a finite guidance, such as 1.5, got nan"),
        ({"interval": (800, 300)}, r"low <= high, got \(800, 300\)"),
        ({"interval": (np.nan, 300)}, "low <= high"),
        ({"rescale": 1.5}, "a rescale from 0 to 1, got 1.5"),
        ({"rescale": -0.1}, "a rescale from 0 to 1"),
        ({"rescale": np.nan}, "a rescale from 0 to 1"),
    ],
)
def test_impossible_guidance_is_refused(options: dict[str, Any], said: str) -> None:
    context, null_context = contexts(2)
    with pytest.raises(ValueError, match=said):
        ClassifierFreeGuidance(CountingModel(), context, null_context, **{"guidance_scale": 2.0, **options})
