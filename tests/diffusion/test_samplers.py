"""Samplers against exact answers: the true noise, and Gaussian data, whose best model is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import defaults

from minisd.diffusion.prediction import PREDICTIONS, target
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample, sample_rngs
from minisd.diffusion.samplers.ddim import ddim_step
from minisd.diffusion.samplers.ddpm import ddpm_step
from minisd.diffusion.schedule import SCHEDULES, Array, NoiseSchedule, make_schedule

Model = Callable[[Array, Array], Array]
MEAN, SD = 0.3, 0.5


def gaussian_model(schedule: NoiseSchedule, prediction: str = "v") -> Model:
    """The best possible model of data x_0 ~ N(MEAN, SD^2): its x_t is Gaussian too, so E[noise | x_t] is linear."""

    def model(x_t: Array, t: Array) -> Array:
        alpha, sigma = schedule.level(float(t[0]))[1:]
        deviation = (x_t - alpha * MEAN) / (alpha**2 * SD**2 + sigma**2)
        noise, x_0 = sigma * deviation, MEAN + alpha * SD**2 * deviation
        return target(prediction, x_0, noise, alpha, sigma)

    return model


def rough_model(x_t: Array, t: Array) -> Array:
    """No good as a model, but plain arithmetic, so each sample's result is the same in any batch."""
    return x_t * (0.5 + t / 2000).astype(x_t.dtype).reshape(-1, 1, 1, 1) - x_t**2 / 64


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 60), st.integers(0, 99))
def test_ddim_with_the_true_noise_returns_x_0(name: str, steps: int, seed: int) -> None:
    schedule = make_schedule(name, 200)
    rng = np.random.default_rng(seed)
    x_0, noise = rng.standard_normal((2, 3, 4, 1)), rng.standard_normal((2, 3, 4, 1))
    x_T = schedule.add_noise(x_0, noise, 199)

    def model(x_t: Array, t: Array) -> Array:
        return target("v", x_0, noise, *schedule.rates(t, x_0))

    np.testing.assert_allclose(sample(model, x_T, schedule, steps=steps, prediction="v"), x_0, rtol=0, atol=1e-9)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_image_to_image_with_the_true_answer_returns_x_0(prediction: str) -> None:
    schedule = make_schedule("scaled_linear")
    rng = np.random.default_rng(0)
    x_0, noise = rng.standard_normal((2, 3, 4, 1)), rng.standard_normal((2, 3, 4, 1))

    def model(x_t: Array, t: Array) -> Array:
        return target(prediction, x_0, noise, *schedule.rates(t, x_0))

    visited: list[float] = []
    result = sample(
        model,
        schedule.add_noise(x_0, noise, 599),
        schedule,
        steps=6,
        prediction=prediction,
        t_start=599,
        callback=lambda index, t, x_t, x_0_pred: visited.append(t),
    )
    np.testing.assert_allclose(result, x_0, rtol=0, atol=1e-12)
    assert visited == [599, 499, 399, 299, 199, 99]


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_ddim_converges_at_first_order(name: str) -> None:
    schedule = make_schedule(name, 2000)
    x_T = np.full((1, 1, 1, 1), 1.3)
    _, alpha, sigma = schedule.level(1999)
    # DDIM's differential equation keeps (x_t - alpha MEAN) / sd(x_t) as it was at T.
    exact = MEAN + SD * (x_T - alpha * MEAN) / math.hypot(alpha * SD, sigma)
    model = gaussian_model(schedule)
    errors = [abs(sample(model, x_T, schedule, steps=n, prediction="v") - exact).max() for n in (10, 20, 40, 80)]
    orders = -np.diff(np.log2(errors))
    # Found: 0.92..0.97 (linear), 0.80..0.86 (scaled_linear), 0.95..0.98 (cosine), rising towards 1.
    assert ((orders > 0.75) & (orders < 1.05)).all() and (np.diff(orders) > 0).all(), orders


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize(("sampler", "options"), [("ddpm", {}), ("ddim", {"eta": 1.0}), ("ddim", {"eta": 0.0})])
def test_all_steps_reproduce_the_data(name: str, sampler: str, options: dict[str, Any]) -> None:
    schedule = make_schedule(name)
    rngs = sample_rngs(seed=0, count=4)
    x_T = initial_noise((50, 50, 1), rngs, np.float64)
    x_0 = sample(
        gaussian_model(schedule), x_T, schedule, sampler=sampler, steps=1000, prediction="v", rngs=rngs, **options
    )
    assert x_0.mean() == pytest.approx(MEAN, abs=4 * SD / math.sqrt(x_0.size))
    assert x_0.std() == pytest.approx(SD, rel=0.03)  # 1000 steps cost about 1%, 10000 pixels about 0.7%


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_prediction_kinds_give_the_same_picture(sampler: str) -> None:
    schedule = make_schedule("cosine")
    results = []
    for prediction in PREDICTIONS:
        rngs = sample_rngs(seed=3, count=2)
        x_T = initial_noise((4, 5, 2), rngs, np.float64)
        model = gaussian_model(schedule, prediction)
        results.append(sample(model, x_T, schedule, sampler=sampler, steps=20, prediction=prediction, rngs=rngs))
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=0, atol=1e-9)


def by_hand(
    sampler: str, x_T: float, visited: list[int], noises: list[float], alpha_bar: Array, eta: float
) -> list[tuple[float, float]]:
    """One number's way under the model "noise = tanh(x_t) + t / 1000", from the papers: x_t and x_0_pred at each t."""
    x, way = x_T, []
    for i, t in enumerate(visited):
        now = float(alpha_bar[t])
        before = float(alpha_bar[visited[i + 1]]) if i + 1 < len(visited) else 1.0
        noise = math.tanh(x) + t / 1000
        x_0 = (x - math.sqrt(1 - now) * noise) / math.sqrt(now)
        way.append((x, x_0))
        if sampler == "ddpm":  # Ho et al. 2020, eq. 11 and 7
            alpha = now / before
            mean = (x - (1 - alpha) / math.sqrt(1 - now) * noise) / math.sqrt(alpha)
            x = mean + math.sqrt((1 - before) / (1 - now) * (1 - alpha)) * noises[i]
        else:  # Song et al. 2021, eq. 12 and 16
            sigma = eta * math.sqrt((1 - before) / (1 - now)) * math.sqrt(1 - now / before)
            x = math.sqrt(before) * x_0 + math.sqrt(1 - before - sigma**2) * noise + sigma * noises[i]
    return way


@pytest.mark.parametrize(
    ("sampler", "options"), [("ddpm", {}), ("ddim", {}), ("ddim", {"eta": 0.3}), ("ddim", {"eta": 1.0})]
)
def test_three_steps_by_hand(sampler: str, options: dict[str, float]) -> None:
    schedule, x_T = make_schedule("scaled_linear"), np.array([0.7, -1.2]).reshape(2, 1, 1, 1)
    steps: list[tuple[Array, Array]] = []
    found = sample(
        lambda x_t, t: np.tanh(x_t) + t.reshape(-1, 1, 1, 1) / 1000,
        x_T, schedule, sampler=sampler, steps=3, rngs=sample_rngs(seed=5, count=2),
        callback=lambda index, t, x_t, x_0_pred: steps.append((x_t, x_0_pred)), **options,
    )  # fmt: skip
    for number in range(2):
        noises = np.random.default_rng([5, number]).standard_normal(3).tolist()
        visited, start = [999, 666, 332], float(x_T[number, 0, 0, 0])
        way = by_hand(sampler, start, visited, noises, schedule.alpha_bar, options.get("eta", 0.0))
        np.testing.assert_allclose([[part[number].item() for part in step] for step in steps], way, rtol=1e-9)
        assert found[number].item() == pytest.approx(way[-1][1], rel=1e-9)  # the last step ends at its x_0


def test_what_sampling_is_if_nothing_is_said() -> None:
    schedule, x_T = make_schedule("linear"), np.full((1, 1, 1, 1), 0.5)
    model, seen = gaussian_model(schedule, "noise"), []  # type: ignore[var-annotated]
    found = sample(model, x_T, schedule, callback=lambda index, t, x_t, x_0_pred: seen.append(t))
    assert seen == [1000 * k // 50 - 1 for k in range(50, 0, -1)]
    np.testing.assert_array_equal(
        found, sample(model, x_T, schedule, sampler="ddim", steps=50, prediction="noise", eta=0.0)
    )


@given(st.integers(0, 999), st.integers(-1, 998), st.integers(0, 99))
def test_ddpm_step_is_the_papers_eq_11_and_ddim_at_eta_1(t: int, t_prev: int, seed: int) -> None:
    t_prev = min(t_prev, t - 1)
    schedule = make_schedule("scaled_linear")
    level, level_prev = schedule.level(t), schedule.level(t_prev)
    alpha_bar, alpha_bar_prev = level.alpha**2, level_prev.alpha**2
    x_t, noise_pred, noise = np.random.default_rng(seed).standard_normal((3, 1, 2, 2, 1))
    x_0_pred = (x_t - level.sigma * noise_pred) / level.alpha
    step = ddpm_step(x_t, x_0_pred, noise, level, level_prev)

    alpha = alpha_bar / alpha_bar_prev
    mean = (x_t - (1 - alpha) / math.sqrt(1 - alpha_bar) * noise_pred) / math.sqrt(alpha)
    variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha)
    np.testing.assert_allclose(step, mean + math.sqrt(variance) * noise, rtol=0, atol=1e-9)
    eta_1 = ddim_step(x_0_pred, noise_pred, noise, level, level_prev, eta=1.0)
    np.testing.assert_allclose(step, eta_1, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("sampler", "options"), [("ddpm", {}), ("ddim", {}), ("ddim", {"eta": 0.7})])
def test_same_picture_whatever_the_batch(sampler: str, options: dict[str, Any], dtype: type[Any]) -> None:
    schedule = make_schedule("scaled_linear")

    def pictures(first: int, count: int) -> Array:
        rngs = sample_rngs(seed=11, count=count, first=first)
        x_T = initial_noise((3, 5, 2), rngs, dtype)
        return sample(rough_model, x_T, schedule, sampler=sampler, steps=7, rngs=rngs, **options)

    together = pictures(0, 5)
    assert together.dtype == dtype and np.isfinite(together).all()
    for batches in ([1, 1, 1, 1, 1], [2, 3], [4, 1]):
        starts = np.cumsum([0, *batches[:-1]]).tolist()
        apart = [pictures(first, count) for first, count in zip(starts, batches, strict=True)]
        np.testing.assert_array_equal(np.concatenate(apart), together)


def test_initial_noise_is_one_stream_per_sample() -> None:
    noise = initial_noise((8, 9, 2), sample_rngs(seed=1, count=3))
    assert noise.shape == (3, 8, 9, 2) and noise.dtype == np.float32
    assert not np.array_equal(noise[0], noise[1])
    in_float64 = initial_noise((8, 9, 2), sample_rngs(seed=1, count=3), np.float64)
    np.testing.assert_array_equal(noise, in_float64.astype(np.float32))
    assert not np.array_equal(noise, initial_noise((8, 9, 2), sample_rngs(seed=2, count=3)))


def test_streams_of_two_seeds_never_meet() -> None:
    streams = [rng.integers(2**62) for seed in range(4) for rng in sample_rngs(seed, count=4)]
    assert len(set(streams)) == 16
    assert sample_rngs(3, count=1, first=2)[0].integers(2**62) == np.random.default_rng([3, 2]).integers(2**62)


def test_clip_bounds_both_ends() -> None:
    schedule, seen = make_schedule("cosine"), []  # type: ignore[var-annotated]
    x_T = np.array([-3.0, 3.0, 0.1]).reshape(3, 1, 1, 1)
    sample(
        lambda x_t, t: 0 * x_t, x_T, schedule, steps=2, t_start=500, clip=0.5, callback=lambda *step: seen.append(step)
    )
    assert seen[0][3].ravel().tolist() == pytest.approx([-0.5, 0.5, 0.1 / math.sqrt(schedule.alpha_bar[500])])


def test_clip_bounds_x_0_and_turns_the_noise_to_match() -> None:
    schedule = make_schedule("cosine")
    seen: list[tuple[int, float, Array, Array]] = []
    x_T = initial_noise((4, 4, 1), sample_rngs(seed=0, count=2), np.float64)
    result = sample(rough_model, x_T, schedule, steps=10, clip=0.5, callback=lambda *step: seen.append(step))
    assert max(abs(x_0_pred).max() for _, _, _, x_0_pred in seen) == 0.5
    np.testing.assert_array_equal(result, seen[-1][3])  # the last step ends at its x_0_pred
    for (_, t, x_t, x_0_pred), (_, t_prev, x_prev, _) in pairwise(seen):
        _, alpha, sigma = schedule.level(t)
        noise_pred = (x_t - alpha * x_0_pred) / sigma
        np.testing.assert_allclose(schedule.add_noise(x_0_pred, noise_pred, t_prev), x_prev, atol=1e-12)


def test_callback_shows_every_step() -> None:
    schedule = make_schedule("linear")
    model = gaussian_model(schedule, "noise")
    x_T = initial_noise((4, 4, 1), sample_rngs(seed=0, count=2), np.float64)
    seen: list[tuple[int, float, Array, Array]] = []
    result = sample(model, x_T, schedule, steps=4, callback=lambda *step: seen.append(step))
    assert [(index, t) for index, t, _, _ in seen] == [(0, 999), (1, 749), (2, 499), (3, 249)]
    np.testing.assert_array_equal(seen[0][2], x_T)
    for _, t, x_t, x_0_pred in seen:
        noise_pred = model(x_t, np.full(2, t))
        np.testing.assert_allclose(schedule.add_noise(x_0_pred, noise_pred, t), x_t, atol=1e-12)
    np.testing.assert_allclose(result, seen[-1][3], atol=1e-12)


def test_errors_teach() -> None:
    schedule = make_schedule("cosine")
    rngs = sample_rngs(seed=0, count=2)
    x_T = initial_noise((2, 2, 1), rngs)
    with pytest.raises(ValueError, match=r"no sampler is called 'plms'; choose one of ddpm, ddim"):
        sample(rough_model, x_T, schedule, sampler="plms")
    with pytest.raises(ValueError, match=r"pass rngs=sample_rngs\(seed, 2\)"):
        sample(rough_model, x_T, schedule, sampler="ddpm")
    with pytest.raises(ValueError, match="one random stream per sample, 2, got 1"):
        sample(rough_model, x_T, schedule, rngs=rngs[:1])
    with pytest.raises(ValueError, match=r"wanted 1\.\.1000 steps"):
        sample(rough_model, x_T, schedule, steps=1001)
    with pytest.raises(ValueError, match=r"t_start must lie in 0\.\.999, got 1000"):
        sample(rough_model, x_T, schedule, t_start=1000)
    with pytest.raises(ValueError, match=r"eta in 0\.\.1"):
        sample(rough_model, x_T, schedule, eta=1.5, rngs=rngs)
    with pytest.raises(ValueError, match="one of noise, x_0, v, velocity, not 'score'"):
        sample(rough_model, x_T, schedule, prediction="score")
    with pytest.raises(ValueError, match=r"shaped as x_t, \(2, 2, 2, 1\), got \(2, 2, 1\)"):
        sample(lambda x_t, t: x_t[0], x_T, schedule)
    with pytest.raises(TypeError, match="eta"):
        sample(rough_model, x_T, schedule, sampler="ddpm", rngs=rngs, eta=0.5)


def test_how_a_picture_is_drawn_unless_told_otherwise() -> None:
    found = {name: value for name, value in defaults(sample).items() if value is not None}
    assert found == {"sampler": "ddim", "steps": 50, "spacing": "trailing", "prediction": "noise"}
    assert defaults(SAMPLERS["ddim"]) == {"eta": 0.0}
