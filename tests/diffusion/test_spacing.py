"""Which levels are visited: the papers' lists, and what all of them have in common."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.diffusion.schedule import CLEAN, SCHEDULES, make_schedule
from minisd.diffusion.spacing import SPACINGS, make_levels, timesteps


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


@given(
    st.sampled_from(sorted(SPACINGS)),
    st.sampled_from(sorted(SCHEDULES)),
    st.integers(0, 199).flatmap(lambda t: st.tuples(st.just(t), st.integers(1, min(t + 1, 40)))),
)
def test_levels_fall_to_the_clean_picture(spacing: str, name: str, case: tuple[int, int]) -> None:
    t_start, steps = case
    levels = make_levels(make_schedule(name, 200), steps, spacing=spacing, t_start=t_start)
    assert len(levels) == steps + 1 and levels[-1] == CLEAN
    assert (np.diff([level.ratio for level in levels]) < 0).all()
    assert (np.diff([level.t for level in levels]) < 0).all()
    assert levels[0] == make_schedule(name, 200).level(t_start)  # where the picture's noise is
    for level in levels:
        assert all(type(number) in (int, float) for number in level)  # NumPy's would widen float32 pictures
        total = level.alpha + level.sigma if name == "flow" else math.hypot(level.alpha, level.sigma)
        assert total == pytest.approx(1, rel=1e-12)


def test_spacings_of_t_are_lin_et_als() -> None:
    schedule = make_schedule("scaled_linear")
    for spacing, wanted in (
        ("trailing", [999, 799, 599, 399, 199, -1]),
        ("leading", [800, 600, 400, 200, 0, -1]),
        ("linspace", [999, 749.25, 499.5, 249.75, 0, -1]),
    ):
        assert [level.t for level in make_levels(schedule, 5, spacing=spacing)] == wanted
    assert [level.t for level in make_levels(schedule, 4, spacing="leading", t_start=598)] == [598, 298, 149, 0, -1]


def test_spacings_of_the_ratio_are_karras_and_exponential() -> None:
    schedule = make_schedule("scaled_linear")
    first, last = schedule.level(999).ratio, schedule.level(0).ratio
    karras = make_levels(schedule, 4, spacing="karras")
    for i in range(4):  # Karras et al. 2022, eq. 5
        wanted = (first ** (1 / 7) + i / 3 * (last ** (1 / 7) - first ** (1 / 7))) ** 7
        assert karras[i].ratio == pytest.approx(wanted, rel=1e-12)
    exponential = make_levels(schedule, 4, spacing="exponential")
    assert [level.ratio for level in exponential[:-1]] == pytest.approx(
        [first, (first**2 * last) ** (1 / 3), (first * last**2) ** (1 / 3), last], rel=1e-12
    )
    assert make_levels(make_schedule("flow"), 4, spacing="karras")[0].ratio == pytest.approx(80)


def test_errors_teach() -> None:
    schedule = make_schedule("cosine")
    with pytest.raises(ValueError, match="no spacing is called 'even'; choose one of trailing, leading, linspace"):
        make_levels(schedule, 5, spacing="even")
    for steps in (0, 1001):
        with pytest.raises(ValueError, match=rf"1\.\.1000 steps .* got {steps}"):
            make_levels(schedule, steps)
    with pytest.raises(ValueError, match=r"1\.\.10 steps .* got 11"):
        make_levels(schedule, 11, t_start=9)
    with pytest.raises(ValueError, match=r"t_start must lie in 0\.\.999, got 1000"):
        make_levels(schedule, 5, t_start=1000)
