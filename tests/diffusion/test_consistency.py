"""Consistency, on Gaussian data, where the ends of all ways are known: what is learned, and what is drawn with it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from diffusion.gaussian import MEAN, SD, denoise, on_its_way, spread
from hypothesis import given
from hypothesis import strategies as st

from minisd.diffusion.consistency import leading_to, multistep
from minisd.diffusion.prediction import PREDICTIONS, x_0_and_noise
from minisd.diffusion.samplers import sample, sample_rngs
from minisd.diffusion.schedule import SCHEDULES, Array, NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels


def end(x_t: Array, level: NoiseLevel) -> Array:
    """Where the way from x_t ends: as many standard deviations from the mean."""
    return MEAN + SD * (x_t - level.alpha * MEAN) / spread(level)


def knowing(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
    """What denoise is to a diffusion model, to a network that knows the ends."""
    x_0 = end(x_t, level)
    return x_0, (x_t - level.alpha * x_0) / level.sigma


@given(
    st.sampled_from(sorted(PREDICTIONS)), st.sampled_from(sorted(SCHEDULES)), st.integers(0, 998), st.integers(0, 99)
)
def test_what_leads_to_an_end_is_read_as_that_end(prediction: str, name: str, t: int, seed: int) -> None:
    level = make_schedule(name).level(t)
    x_0, x_t = np.random.default_rng(seed).standard_normal((2, 3, 4, 5, 1))
    predicted = leading_to(prediction, x_0, x_t, level.alpha, level.sigma)
    found, noise = x_0_and_noise(prediction, predicted, x_t, level.alpha, level.sigma)
    np.testing.assert_allclose(found, x_0, atol=1e-9 / level.alpha)
    np.testing.assert_allclose(level.alpha * found + level.sigma * noise, x_t, atol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_way_of_a_good_solver_ends_where_the_closed_form_says(name: str) -> None:
    levels = make_levels(make_schedule(name), 500)
    first = levels[0]
    for z in (-2.0, 0.4, 1.3):
        x = on_its_way(z, first)
        for level, level_prev in pairwise(levels):  # DDIM
            x_0, noise = denoise(x, level)
            x = level_prev.alpha * x_0 + level_prev.sigma * noise
        assert x.item() == pytest.approx(end(on_its_way(z, first), first).item(), abs=0.01)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_place_of_a_way_has_the_same_end(name: str) -> None:
    ends = [end(on_its_way(0.7, level), level).item() for level in make_levels(make_schedule(name), 9)]
    assert ends == pytest.approx([MEAN + 0.7 * SD] * 10)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_the_exact_answer_samples_the_data_in_any_number_of_steps(name: str, steps: int) -> None:
    """All is linear: one sample that begins at 1, and one for each noise that is 1, tell mean and variance."""
    levels = make_levels(make_schedule(name), steps)
    x_T = np.zeros((steps + 1, 1, 1, 1))
    x_T[1] = 1
    drawn = iter(range(2, steps + 1))

    def fresh_noise() -> Array:
        noise = np.zeros_like(x_T)
        noise[next(drawn)] = 1
        return noise

    *_, (x, x_0) = multistep(knowing, x_T, levels, fresh_noise)
    np.testing.assert_array_equal(x, x_0)  # it ends at the last guess
    assert next(drawn, None) is None  # noise between the steps, none behind the last one
    c, a, *b = x.ravel()
    first = levels[0]
    assert c + (a - c) * first.alpha * MEAN == pytest.approx(MEAN)
    variance = ((a - c) * spread(first)) ** 2 + sum((each - c) ** 2 for each in b)
    assert math.sqrt(variance) == pytest.approx(SD)


def test_the_means_that_a_diffusion_model_answers_with_are_no_ends() -> None:
    """Why multistep is not one of SAMPLERS: from means it draws pictures that are too much alike."""
    levels = make_levels(make_schedule("cosine"), 4)
    rng = np.random.default_rng(0)
    x_T = rng.standard_normal((20_000, 1, 1, 1))
    found = {}
    for how in (denoise, knowing):
        *_, (x, _) = multistep(how, x_T, levels, lambda: rng.standard_normal(x_T.shape))
        found[how] = x.std()
    assert found[knowing] == pytest.approx(SD, rel=0.03) and found[denoise] < 0.8 * SD


def test_sample_takes_it_in_the_place_of_a_name() -> None:
    schedule, rngs = make_schedule("cosine"), sample_rngs(0, 3)
    x_T = np.random.default_rng(1).standard_normal((3, 2, 2, 1))

    def model(x_t: Array, t: Array) -> Array:
        level = schedule.level(float(t[0]))
        return leading_to("v", end(x_t, level), x_t, level.alpha, level.sigma)

    seen: list[tuple[int, float, Array, Array]] = []
    found = sample(
        model,
        x_T,
        schedule,
        sampler=multistep,
        steps=2,
        prediction="v",
        rngs=rngs,
        callback=lambda *step: seen.append(step),
    )
    noise = np.stack([rng.standard_normal((2, 2, 1)) for rng in sample_rngs(0, 3)])
    (first, second), x = [schedule.level(t) for t in (999, 499)], x_T
    x = second.alpha * end(x, first) + second.sigma * noise
    np.testing.assert_allclose(seen[1][2], x, atol=1e-9)
    np.testing.assert_allclose(found, end(x, second), atol=1e-9)
    with pytest.raises(ValueError, match=r"multistep draws fresh noise; pass rngs=sample_rngs\(seed, 3\)"):
        sample(model, x_T, schedule, sampler=multistep, steps=2, prediction="v")
