"""The noise schedule against its formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minisd.diffusion.schedule import CLEAN, SCHEDULES, Array, FlowSchedule, NoiseLevel, NoiseSchedule, make_schedule

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
        assert schedule.alpha_bar[i] == pytest.approx(product, rel=1e-10)


def test_linear_is_that_of_ddpm() -> None:
    schedule = make_schedule("linear")
    product = 1.0
    for i in range(1000):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999)
        assert schedule.alpha_bar[i] == pytest.approx(product, rel=1e-10)


@pytest.mark.parametrize("T", [10, 1000])
def test_cosine_follows_its_formula(T: int) -> None:
    def f(t: int) -> float:
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    schedule = make_schedule("cosine", T)
    for t in range(1, T):  # t = T would be 0: there the beta is clipped
        assert schedule.alpha_bar[t - 1] == pytest.approx(f(t) / f(0), rel=1e-9)
    assert schedule.betas[-1] == 0.999


@pytest.mark.parametrize("name", sorted(SCHEDULES))
@pytest.mark.parametrize("T", [50, 250, 1000, 4000])
def test_alpha_bar_falls_from_picture_to_noise(name: str, T: int) -> None:
    schedule = make_schedule(name, T)
    assert schedule.steps == T
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert (np.diff(schedule.snr(np.arange(T))) < 0).all()
    assert 1 > schedule.alpha_bar[0] > 0.9 and schedule.level(-1) == CLEAN == NoiseLevel(-1, 1.0, 0.0)
    assert 0 <= schedule.alpha_bar[T - 1] < 0.005


def test_fewer_steps_are_as_noisy_in_the_end() -> None:
    for name, ends in (("linear", (1e-4, 0.02)), ("scaled_linear", (0.00085, 0.012))):
        assert make_schedule(name, 250).betas[[0, -1]] == pytest.approx([4 * end for end in ends], rel=1e-12)


def test_schedule_cannot_be_changed() -> None:
    schedule = make_schedule("cosine")
    with pytest.raises(ValueError, match="read-only"):
        schedule.alpha[0] = 1


def test_add_noise_weights_by_the_square_roots() -> None:
    schedule = NoiseSchedule.of_betas(np.array([0.36, 0.5]))
    x_0, noise = picture_and_noise(0)
    np.testing.assert_allclose(schedule.add_noise(x_0, noise, 0), 0.8 * x_0 + 0.6 * noise)
    np.testing.assert_allclose(schedule.add_noise(x_0, noise, 1), math.sqrt(0.32) * x_0 + math.sqrt(0.68) * noise)
    assert schedule.snr(0) == pytest.approx(0.64 / 0.36)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_t_per_sample(dtype: type[Any]) -> None:
    schedule = make_schedule("scaled_linear")
    a, b = picture_and_noise(0, dtype)
    t = np.array([0, 500, 999])
    together = schedule.add_noise(a, b, t)
    assert together.dtype == dtype
    for i in range(3):
        alone = schedule.add_noise(a[i : i + 1], b[i : i + 1], int(t[i]))
        assert alone.dtype == dtype
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_levels_are_the_tables_and_between_them_the_ratio_is_a_line(name: str) -> None:
    schedule = make_schedule(name)
    for t in (0, 1, 500, 999):
        assert schedule.level(t) == (t, schedule.alpha[t], schedule.sigma[t])
    for t in (-1, 0, 300, 997):
        low, high, between = (schedule.level(t + share) for share in (0, 1, 0.25))
        if name == "flow":
            assert between == pytest.approx((t + 0.25, 1 - (t + 1.25) / 1000, (t + 1.25) / 1000), rel=1e-12)
        else:
            assert between.ratio == pytest.approx(0.75 * low.ratio + 0.25 * high.ratio, rel=1e-12)
            assert math.hypot(between.alpha, between.sigma) == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_level_of_a_ratio_is_that_of_its_t(name: str) -> None:
    schedule = make_schedule(name)
    for t in (0, 1, 500, 998):
        level = schedule.level(t)
        assert schedule.level_of(level.ratio) == pytest.approx(level, rel=1e-9, abs=1e-9)
    assert schedule.level_of(1e-9).t <= 0 and 998 < schedule.level_of(1e9).t <= 999


def test_a_levels_ratio_and_logarithm_at_the_ends() -> None:
    assert NoiseLevel(3, 0.6, 0.8).ratio == pytest.approx(4 / 3)
    assert NoiseLevel(3, 0.6, 0.8).half_log_snr == pytest.approx(math.log(3 / 4))
    assert CLEAN.ratio == 0 and CLEAN.half_log_snr == math.inf
    noise = FlowSchedule(10).level(9)
    assert noise == (9, 0.0, 1.0) and noise.ratio == math.inf and noise.half_log_snr == -math.inf


def test_errors_teach() -> None:
    schedule = make_schedule("linear")
    x_0, noise = picture_and_noise(0)
    for t in (-1, 1000, np.array([3, 1000, 4])):
        with pytest.raises(ValueError, match=r"must lie in 0\.\.999"):
            schedule.add_noise(x_0, noise, t)
    for beyond in (-1.5, -2, 999.5, 1000):
        with pytest.raises(ValueError, match=r"must lie in -1\.\.999"):
            schedule.level(beyond)
    for alpha, sigma in (([0.5, 0.6], [0.1, 0.2]), ([0.9, -0.1], [0.1, 0.2]), ([0.9, 0.5], [0.2, 0.1]), ([1], [0.1])):
        with pytest.raises(ValueError, match="an alpha that falls"):
            NoiseSchedule(np.array(alpha), np.array(sigma))
    with pytest.raises(ValueError, match=r"got \(2,\), \(3,\)"):
        NoiseSchedule(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="choose one of linear, scaled_linear, cosine, flow"):
        make_schedule("karras")
    with pytest.raises(ValueError, match="at least 1 step"):
        make_schedule("linear", 0)
    with pytest.raises(ValueError, match="use the cosine schedule"):
        make_schedule("linear", 10)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        NoiseSchedule.of_betas(np.full((2, 2), 0.1))
