"""What models predict: each kind against its paper's formula, and all of them against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.diffusion.prediction import PREDICTIONS, target, x_0_and_noise
from minisd.diffusion.schedule import SCHEDULES, Array, make_schedule

SHAPE = (3, 4, 5, 2)


def picture_and_noise(seed: int, dtype: type[Any] = np.float64) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(SHAPE).astype(dtype), rng.standard_normal(SHAPE).astype(dtype)


def test_targets_are_the_papers() -> None:
    x_0, noise = picture_and_noise(0)
    wanted = {"noise": noise, "x_0": x_0, "v": 0.8 * noise - 0.6 * x_0, "velocity": noise - x_0}
    assert PREDICTIONS.keys() == wanted.keys()
    for prediction, value in wanted.items():
        np.testing.assert_allclose(target(prediction, x_0, noise, 0.8, 0.6), value, rtol=0, atol=1e-15)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@given(st.sampled_from(sorted(SCHEDULES)), st.integers(0, 998), st.sampled_from([np.float32, np.float64]))
def test_what_is_read_is_what_it_was_made_of(prediction: str, name: str, t: int, dtype: type[Any]) -> None:
    schedule = make_schedule(name)
    x_0, noise = picture_and_noise(t, dtype)
    level = schedule.level(t)
    x_t = schedule.add_noise(x_0, noise, t)
    found = x_0_and_noise(prediction, target(prediction, x_0, noise, *level[1:]), x_t, *level[1:])
    precision = 50 * float(np.finfo(dtype).eps)
    magnified = {"noise": (1 / level.alpha, 1), "x_0": (1, 1 / level.sigma)}.get(prediction, (1, 1))
    for part, wanted, factor in zip(found, (x_0, noise), magnified, strict=True):
        assert part.dtype == dtype
        np.testing.assert_allclose(part, wanted, rtol=0, atol=precision * factor)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_t_per_sample(prediction: str, dtype: type[Any]) -> None:
    schedule, t = make_schedule("scaled_linear"), np.array([0, 500, 999])
    predicted, x_t = picture_and_noise(0, dtype)
    together = x_0_and_noise(prediction, predicted, x_t, *schedule.rates(t, x_t))
    for i in range(3):
        alone = x_0_and_noise(prediction, predicted[i : i + 1], x_t[i : i + 1], *schedule.rates(int(t[i]), x_t))
        for one, all_of_them in zip(alone, together, strict=True):
            assert one.dtype == all_of_them.dtype == dtype
            np.testing.assert_allclose(one[0], all_of_them[i], rtol=20 * np.finfo(dtype).eps, atol=1e-6)


def test_pure_noise_tells_nothing_to_a_model_of_noise() -> None:
    x_0, noise = picture_and_noise(0)
    for prediction in ("x_0", "v", "velocity"):
        predicted = target(prediction, x_0, noise, 0.0, 1.0)
        np.testing.assert_allclose(x_0_and_noise(prediction, predicted, noise, 0.0, 1.0)[0], x_0, atol=1e-12)
    with pytest.raises(ValueError, match=r"noise does not tell x_0 from noise where alpha is 0\.0 .* predict v"):
        x_0_and_noise("noise", noise, noise, 0.0, 1.0)


def test_errors_teach() -> None:
    x_0, noise = picture_and_noise(0)
    with pytest.raises(ValueError, match="one of noise, x_0, v, velocity, not 'score'"):
        target("score", x_0, noise, 0.6, 0.8)
