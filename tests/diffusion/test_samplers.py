"""What all samplers have in common, and their steps by hand; test_order.py measures how good they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from diffusion.gaussian import MEAN, SD, denoise
from hypothesis import given
from hypothesis import strategies as st
from strategies import defaults

from minisd.diffusion.prediction import PREDICTIONS, target
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample, sample_rngs
from minisd.diffusion.samplers.coordinates import flow, karras, straight
from minisd.diffusion.samplers.ddim import ddim_step
from minisd.diffusion.samplers.ddpm import ddpm_step
from minisd.diffusion.samplers.euler import slope
from minisd.diffusion.samplers.lms import lagrange_integrals
from minisd.diffusion.samplers.unipc import exponential_integrals, weights
from minisd.diffusion.schedule import SCHEDULES, Array, NoiseLevel, NoiseSchedule, make_schedule
from minisd.diffusion.spacing import SPACINGS, make_levels

Model = Callable[[Array, Array], Array]


def gaussian_model(schedule: NoiseSchedule, prediction: str = "v") -> Model:
    """The best possible model of Gaussian data."""

    def model(x_t: Array, t: Array) -> Array:
        level = schedule.level(float(t[0]))
        return target(prediction, *denoise(x_t, level), level.alpha, level.sigma)

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
@pytest.mark.parametrize(("sampler", "options"), [*((name, {}) for name in SAMPLERS), ("ddim", {"eta": 0.7})])
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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_serves_every_spacing_prediction_and_schedule(sampler: str) -> None:
    for name, spacing, prediction in itertools.product(SCHEDULES, SPACINGS, PREDICTIONS):
        schedule, rngs = make_schedule(name), sample_rngs(seed=1, count=2)
        x_T, model = initial_noise((2, 3, 1), rngs, np.float64), gaussian_model(schedule, prediction)
        options: dict[str, Any] = {"spacing": spacing, "prediction": prediction, "rngs": rngs}
        if (name, prediction) == ("flow", "noise") and spacing in ("trailing", "linspace"):  # from alpha = 0
            with pytest.raises(ValueError, match="does not tell x_0 from noise where alpha is 0"):
                sample(model, x_T, schedule, sampler=sampler, steps=6, **options)
            continue
        x_0 = sample(model, x_T, schedule, sampler=sampler, steps=6, **options)
        assert abs(x_0 - MEAN).max() < 6 * SD, (name, spacing, prediction)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_known_of_the_picture_is_kept(sampler: str, spacing: str) -> None:
    """Inpainting tells denoise the left half; there x_t stays alpha x_0 + sigma noise, and the noise what it was."""
    rng = np.random.default_rng(0)
    known, first_noise = rng.standard_normal((2, 2, 3, 4, 1))
    drawn: list[Array] = []

    def told(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        x_0_pred, noise_pred = denoise(x_t, level)
        x_0_pred[:, :, :2] = known[:, :, :2]
        noise_pred[:, :, :2] = ((x_t - level.alpha * known) / level.sigma)[:, :, :2]
        return x_0_pred, noise_pred

    def fresh_noise() -> Array:
        drawn.append(rng.standard_normal(known.shape))
        return drawn[-1]

    levels = make_levels(make_schedule("scaled_linear"), 8, spacing=spacing)
    x_T = levels[0].alpha * known + levels[0].sigma * first_noise
    for (x_t, _), level in zip(SAMPLERS[sampler](told, x_T, levels, fresh_noise), levels[1:], strict=True):
        off = (x_t - level.alpha * known)[:, :, :2]
        if not drawn:
            np.testing.assert_allclose(off, level.sigma * first_noise[:, :, :2], rtol=0, atol=1e-9)
        assert abs(off).max() < 4.5 * level.sigma + 1e-9
    np.testing.assert_allclose(x_t[:, :, :2], known[:, :, :2], rtol=0, atol=1e-9)


def test_samplers_that_are_one_another() -> None:
    """Euler's step is DDIM's; Euler ancestral's is DDPM's, and so is the SDE solver's first."""
    rng = np.random.default_rng(2)
    for name in SCHEDULES:
        levels, x_T, noise = make_levels(make_schedule(name), 5), *rng.standard_normal((2, 2, 3, 1))

        def walk(sampler: str, levels: Any = levels, x_T: Array = x_T, noise: Array = noise) -> Array:
            return np.array([x for x, _ in SAMPLERS[sampler](denoise, x_T, levels, lambda: noise)])

        np.testing.assert_allclose(walk("euler"), walk("ddim"), rtol=0, atol=1e-9)
        np.testing.assert_allclose(walk("euler_ancestral"), walk("ddpm"), rtol=0, atol=1e-9)
        np.testing.assert_allclose(walk("dpm_solver_sde")[0], walk("ddpm")[0], rtol=0, atol=1e-9)
        np.testing.assert_allclose(walk("dpm_solver")[0], walk("ddim")[0], rtol=0, atol=1e-9)


def test_how_often_the_model_is_asked() -> None:
    """Once a step; Heun's method twice, but for the last one."""
    for sampler in SAMPLERS:
        asked: list[float] = []

        def count(x_t: Array, level: NoiseLevel, asked: list[float] = asked) -> tuple[Array, Array]:
            asked.append(level.t)
            return denoise(x_t, level)

        levels = make_levels(make_schedule("cosine"), 6)
        assert len([*SAMPLERS[sampler](count, np.zeros((1, 1, 1, 1)), levels, lambda: np.zeros((1, 1, 1, 1)))]) == 6
        assert len(asked) == (11 if sampler == "heun" else 6)


def test_coordinates_are_karras_but_from_pure_noise() -> None:
    level = NoiseLevel(5, 0.6, 0.8)
    assert karras(level) == pytest.approx((0.6, 4 / 3)) and flow(level) == pytest.approx((1.4, 4 / 7))
    x_0, noise = np.random.default_rng(0).standard_normal((2, 3))
    for coordinates, d in ((karras, noise), (flow, noise - x_0)):
        scale, s = coordinates(level)
        np.testing.assert_allclose(slope((0.6 * x_0 + 0.8 * noise) / scale, x_0, s), d, atol=1e-12)
    starts = {name: straight(make_levels(make_schedule(name), 10)) for name in SCHEDULES}
    assert starts == {"linear": karras, "scaled_linear": karras, "cosine": flow, "flow": flow}


def test_lagrange_integrals_are_those_of_the_polynomials() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 2, 3, 4):
        nodes, end = np.sort(rng.uniform(0, 5, count))[::-1].tolist(), -0.3
        for node, found in zip(nodes, lagrange_integrals(nodes, nodes[0], end), strict=True):
            others = [other for other in nodes if other != node]
            one = np.polynomial.Polynomial.fromroots(others) if others else np.polynomial.Polynomial([1.0])
            wanted = (one / one(node)).integ()
            assert found == pytest.approx(wanted(end) - wanted(nodes[0]), rel=1e-9)


def test_exponential_integrals_by_summing_up() -> None:
    r = (np.arange(200_000) + 0.5) / 200_000
    for h in (0.1, 1.0, 4.0):
        wanted = [float((h * np.exp(h * (r - 1)) * r**k).mean()) for k in range(4)]
        assert exponential_integrals(h, 4) == pytest.approx(wanted, rel=1e-8)
        # Differences at r of a polynomial without a constant part are integrated exactly.
        places = [-2.3, -1.0, 1.0]
        found = sum(
            w / r_m * (3 * r_m - r_m**2 + 2 * r_m**3) for w, r_m in zip(weights(h, places), places, strict=True)
        )
        assert found == pytest.approx(3 * wanted[1] - wanted[2] + 2 * wanted[3], rel=1e-8)


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
    for sampler in ("lms", "unipc"):
        with pytest.raises(ValueError, match=rf"{sampler}: wanted an order from 1 to [34], got 0"):
            sample(rough_model, x_T, schedule, sampler=sampler, order=0)
    with pytest.raises(TypeError, match="eta"):
        sample(rough_model, x_T, schedule, sampler="ddpm", rngs=rngs, eta=0.5)


def test_how_a_picture_is_drawn_unless_told_otherwise() -> None:
    found = {name: value for name, value in defaults(sample).items() if value is not None}
    assert found == {"sampler": "ddim", "steps": 50, "spacing": "trailing", "prediction": "noise", "resample": 1}
    options = {name: defaults(sampler) for name, sampler in SAMPLERS.items() if defaults(sampler)}
    assert options == {"ddim": {"eta": 0.0}, "lms": {"order": 4}, "unipc": {"order": 2}}
