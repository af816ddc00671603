"""The noise schedule against its formulas, and the changes of variable against each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.diffusion.schedule import SCHEDULES, Array, NoiseSchedule, make_schedule, timesteps

names = st.sampled_from(sorted(SCHEDULES))
dtypes = st.sampled_from([np.float32, np.float64])
SHAPE = (3, 4, 5, 2)


def picture_and_noise(seed: int, dtype: type[Any] = np.float64) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(SHAPE).astype(dtype), rng.standard_normal(SHAPE).astype(dtype)


def test_scaled_linear_is_that_of_stable_diffusion() -> None:
    schedule = make_schedule("scaled_linear")
    assert schedule.betas[[0, -1]] == pytest.approx([0.00085, 0.012], rel=1e-12)
    assert schedule.alpha_bar[0] == pytest.approx(0.99915, abs=1e-6)
    assert schedule.alpha_bar[999] == pytest.approx(0.0047, abs=5e-5)
    first, last = math.sqrt(0.00085), math.sqrt(0.012)
    product = 1.0
    for i in range(1000):
        product *= 1 - (first + (last - first) * i / 999) ** 2
        assert schedule.alpha_bar_at(i) == pytest.approx(product, rel=1e-10)


def test_linear_is_that_of_ddpm() -> None:
    schedule = make_schedule("linear")
    product = 1.0
    for i in range(1000):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999)
        assert schedule.alpha_bar_at(i) == pytest.approx(product, rel=1e-10)


@pytest.mark.parametrize("T", [10, 1000])
def test_cosine_follows_its_formula(T: int) -> None:
    def f(t: int) -> float:
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    schedule = make_schedule("cosine", T)
    for t in range(1, T):  # t = T would be 0: there the beta is clipped
        assert schedule.alpha_bar_at(t - 1) == pytest.approx(f(t) / f(0), rel=1e-9)
    assert schedule.betas[-1] == 0.999


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("T", [50, 250, 1000, 4000])
def test_alpha_bar_falls_from_picture_to_noise(name: str, T: int) -> None:
    schedule = make_schedule(name, T)
    assert schedule.steps == T
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert (np.diff(schedule.snr(np.arange(T))) < 0).all()
    assert schedule.alpha_bar_at(-1) == 1 > schedule.alpha_bar_at(0) > 0.9
    assert 0 < schedule.alpha_bar_at(T - 1) < 0.005


def test_fewer_steps_are_as_noisy_in_the_end() -> None:
    for name, ends in (("linear", (1e-4, 0.02)), ("scaled_linear", (0.00085, 0.012))):
        assert make_schedule(name, 250).betas[[0, -1]] == pytest.approx([4 * end for end in ends], rel=1e-12)


def test_schedule_cannot_be_changed() -> None:
    schedule = make_schedule("cosine")
    with pytest.raises(ValueError, match="read-only"):
        schedule.alpha_bar[0] = 1


@given(names, st.integers(0, 999), st.integers(0, 99), dtypes)
def test_noise_round_trip(name: str, t: int, seed: int, dtype: type[Any]) -> None:
    schedule = make_schedule(name)
    x_0, noise = picture_and_noise(seed, dtype)
    x_t = schedule.add_noise(x_0, noise, t)
    alpha, sigma = schedule.rates(t, x_t)
    precision = 20 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(schedule.x_0_from_noise(x_t, noise, t), x_0, rtol=0, atol=precision / alpha)
    np.testing.assert_allclose(schedule.noise_from_x_0(x_t, x_0, t), noise, rtol=0, atol=precision / sigma)


@given(names, st.integers(0, 999), st.integers(0, 99), dtypes)
def test_v_round_trip(name: str, t: int, seed: int, dtype: type[Any]) -> None:
    schedule = make_schedule(name)
    x_0, noise = picture_and_noise(seed, dtype)
    x_t, v = schedule.add_noise(x_0, noise, t), schedule.v_target(x_0, noise, t)
    precision = 20 * float(np.finfo(dtype).eps)  # at every t alike: nothing is divided
    np.testing.assert_allclose(schedule.x_0_from_v(x_t, v, t), x_0, rtol=0, atol=precision)
    np.testing.assert_allclose(schedule.noise_from_v(x_t, v, t), noise, rtol=0, atol=precision)
    np.testing.assert_allclose(x_t**2 + v**2, x_0**2 + noise**2, rtol=0, atol=10 * precision)  # a rotation


def test_add_noise_weights_by_the_square_roots() -> None:
    schedule = NoiseSchedule(np.array([0.36, 0.5]))
    x_0, noise = picture_and_noise(0)
    np.testing.assert_allclose(schedule.add_noise(x_0, noise, 0), 0.8 * x_0 + 0.6 * noise)
    np.testing.assert_allclose(schedule.v_target(x_0, noise, 0), 0.8 * noise - 0.6 * x_0)
    np.testing.assert_allclose(schedule.add_noise(x_0, noise, 1), math.sqrt(0.32) * x_0 + math.sqrt(0.68) * noise)
    assert schedule.snr(0) == pytest.approx(0.64 / 0.36)


@pytest.mark.parametrize("method", ["add_noise", "x_0_from_noise", "noise_from_x_0", "v_target", "x_0_from_v"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_t_per_sample(method: str, dtype: type[Any]) -> None:
    schedule = make_schedule("scaled_linear")
    a, b = picture_and_noise(0, dtype)
    t = np.array([0, 500, 999])
    together = getattr(schedule, method)(a, b, t)
    assert together.dtype == dtype
    for i in range(3):
        alone = getattr(schedule, method)(a[i : i + 1], b[i : i + 1], int(t[i]))
        assert alone.dtype == dtype
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("t", [0, 400, np.array([1, 40, 900])])
def test_both_kinds_of_prediction_say_the_same(t: int | Array) -> None:
    schedule = make_schedule("linear")
    x_0, noise = picture_and_noise(1)
    x_t, v = schedule.add_noise(x_0, noise, t), schedule.v_target(x_0, noise, t)
    for predicted, prediction in ((noise, "noise"), (v, "v")):
        x_0_pred, noise_pred = schedule.to_x_0_and_noise(predicted, x_t, t, prediction)
        np.testing.assert_allclose(x_0_pred, x_0, atol=1e-10)
        np.testing.assert_allclose(noise_pred, noise, atol=1e-10)


def test_errors_teach() -> None:
    schedule = make_schedule("linear")
    x_0, noise = picture_and_noise(0)
    with pytest.raises(ValueError, match="'noise' or 'v', not 'x_0'"):
        schedule.to_x_0_and_noise(noise, x_0, 0, "x_0")
    for t in (-1, 1000, np.array([3, 1000, 4])):
        with pytest.raises(ValueError, match=r"must lie in 0\.\.999"):
            schedule.add_noise(x_0, noise, t)
    with pytest.raises(ValueError, match="choose one of linear, scaled_linear, cosine"):
        make_schedule("karras")
    with pytest.raises(ValueError, match="at least 1 step"):
        make_schedule("linear", 0)
    with pytest.raises(ValueError, match="use the cosine schedule"):
        make_schedule("linear", 10)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        NoiseSchedule(np.full((2, 2), 0.1))


@given(st.integers(1, 1200).flatmap(lambda T: st.tuples(st.just(T), st.integers(1, T))))
def test_timesteps_are_even_and_start_at_the_noise(case: tuple[int, int]) -> None:
    T, steps = case
    t = timesteps(T, steps)
    assert len(t) == steps and t[0] == T - 1 and t[-1] >= 0
    strides = -np.diff([*t, -1])
    assert strides.min() >= 1 and np.ptp(strides) <= 1


def test_timesteps_all_and_none() -> None:
    assert timesteps(5, 5) == [4, 3, 2, 1, 0]
    assert timesteps(1000, 1) == [999]
    assert timesteps(1000, 6) == [999, 832, 666, 499, 332, 166]  # the nearest to even, not the one below
    assert timesteps(10, 4) == [9, 7, 4, 1]
    for steps in (0, 1001):
        with pytest.raises(ValueError, match=rf"1\.\.1000 steps .* got {steps}"):
            timesteps(1000, steps)
