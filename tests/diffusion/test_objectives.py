"""What is learned: the best answer to each objective, which every sampler draws with; its times, and its weights."""

from __future__ import annotations

import numpy as np
import pytest
from diffusion.gaussian import MEAN, SD, denoise, moments
from hypothesis import given
from hypothesis import strategies as st

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.diffusion.comparison import start_points
from minisd.diffusion.objectives import OBJECTIVES, Objective
from minisd.diffusion.objectives.times import TIMES
from minisd.diffusion.objectives.weighting import WEIGHTINGS, min_snr, none
from minisd.diffusion.prediction import PREDICTIONS, target, x_0_and_noise
from minisd.diffusion.samplers import SAMPLERS, sample
from minisd.diffusion.schedule import CLEAN, Array, NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels
from minisd.diffusion.toy import CLOUDS
from minisd.nn import Linear, Module
from minisd.optim import AdamW, warmup_cosine

each_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


# What is learned


@each_objective
@given(st.integers(0, 999))
def test_the_best_answer_in_closed_form_is_what_least_squares_learn(objective: Objective, t: int) -> None:
    """Of Gaussian data it is a straight line in x_t, so at one t a line that is fitted to what the model is shown."""
    schedule, rng = make_schedule(objective.schedule), np.random.default_rng(t)
    x_0, noise = MEAN + SD * rng.standard_normal((20_000, 1, 1, 1)), rng.standard_normal((20_000, 1, 1, 1))
    x_t, wanted = objective.noised(x_0, noise, np.full(len(x_0), t), schedule)
    line = np.polynomial.Polynomial.fit(x_t.ravel(), wanted.ravel(), 1)
    level = schedule.level(t)
    places = np.quantile(x_t, [0.1, 0.5, 0.9])
    best = target(objective.prediction, *denoise(places, level), level.alpha, level.sigma)
    np.testing.assert_allclose(line(places), best, rtol=0, atol=0.1)


@pytest.mark.parametrize("sampler", SAMPLERS)
@each_objective
def test_with_the_best_answer_every_sampler_draws_the_right_mean_and_variance(
    objective: Objective, sampler: str
) -> None:
    asked = []

    def answered(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        asked.append(level.t)
        best = target(objective.prediction, *denoise(x_t, level), level.alpha, level.sigma)
        return x_0_and_noise(objective.prediction, best, x_t, level.alpha, level.sigma)

    levels = make_levels(make_schedule(objective.schedule), 500)
    mean, variance = moments(sampler, levels, answered)
    assert asked[0] == 999 and levels[-1] == CLEAN
    assert mean == pytest.approx(MEAN, abs=1e-3)
    assert variance == pytest.approx(SD**2, rel=0.04)  # it misses less with more steps: test_order.py


class Small(Module):
    """A network for points of the plane: told x_t, t and waves of it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.layers = [Linear(5, 64, rng=rng), Linear(64, 64, rng=rng)]
        self.last = Linear(64, 2, rng=rng)

    def forward(self, x_t: Array, t: Array) -> Tensor:
        phi = np.pi / 2 * np.asarray(t)[:, None] / 1000
        x = Tensor(np.concatenate([x_t, np.cos(phi), np.sin(phi), np.cos(4 * phi)], axis=1).astype(np.float32))
        for layer in self.layers:
            x = ops.silu(layer(x))
        return self.last(x)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@each_objective
def test_a_small_network_learns_to_draw_the_clouds(objective: Objective, weighting: str) -> None:
    schedule, rng = make_schedule(objective.schedule), np.random.default_rng(0)
    network = Small(rng)
    optimizer, steps = AdamW(network), 400
    for step in range(steps):
        x_0 = CLOUDS.means[rng.choice(3, 256, p=CLOUDS.weights)] + CLOUDS.deviation * rng.standard_normal((256, 2))
        t = objective.draw_times(256, schedule.steps, rng)
        x_t, wanted = objective.noised(x_0, rng.standard_normal((256, 2)), t, schedule)
        weights = WEIGHTINGS[weighting](objective.prediction, schedule.alpha[t], schedule.sigma[t])
        wanted, weights = (Tensor(array.astype(np.float32)) for array in (wanted, weights))
        ops.mean_squared_error(network(x_t, t), wanted, weights).backward()
        optimizer.step(warmup_cosine(step, steps, 1e-2, warmup=20), 1.0)
    with no_grad():
        drawn = sample(
            lambda x, t: network(x, t).data, start_points(600), schedule, steps=20, prediction=objective.prediction
        )
    away = np.linalg.norm(drawn[:, None] - CLOUDS.means, axis=2)
    assert (away.min(axis=1) < 4 * CLOUDS.deviation).mean() > 0.9
    shares = np.bincount(away.argmin(axis=1), minlength=3) / len(drawn)
    np.testing.assert_allclose(shares, CLOUDS.weights, rtol=0, atol=0.12)


# When


@given(st.integers(1, 70), st.integers(1, 1000), st.integers(0, 99))
def test_uniform_times_are_one_of_each_part_of_the_way(count: int, steps: int, seed: int) -> None:
    t = Objective("cosine", "v").draw_times(count, steps, np.random.default_rng(seed))
    within = np.arange(count) + np.random.default_rng(seed).random(count)
    np.testing.assert_array_equal(t, (within / count * steps).astype(np.int64))
    assert t.dtype == np.int64 and t.min() >= 0 and t.max() < steps


def test_logit_normal_times_have_their_density() -> None:
    """How many lie in each part, against the integral of Esser et al. 2024's density over it."""
    t = OBJECTIVES["flow"].draw_times(100_000, 1000, np.random.default_rng(0))
    tau = (np.arange(1_000_000) + 0.5) / 1_000_000
    density = np.exp(-(np.log(tau / (1 - tau)) ** 2) / 2) / (np.sqrt(2 * np.pi) * tau * (1 - tau))
    wanted = density.reshape(20, -1).mean(axis=1) / 20
    np.testing.assert_allclose(np.bincount(t // 50, minlength=20) / len(t), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("times", TIMES)
def test_a_share_that_is_nothing_or_all_is_a_time_as_well(times: str) -> None:
    found = (TIMES[times](np.array([0.0, 1 - 2**-53])) * 1000).astype(np.int64)
    assert found.tolist() == [0, 999]


# How much


@given(st.sampled_from(["linear", "scaled_linear", "cosine", "flow"]), st.integers(0, 998), st.sampled_from([0.5, 5.0]))
def test_whatever_is_predicted_the_weighted_error_of_x_0_is_the_same(name: str, t: int, gamma: float) -> None:
    schedule, rng = make_schedule(name), np.random.default_rng(t)
    level = schedule.level(t)
    x_0, noise, wrong_x_0 = rng.standard_normal((3, 2, 3))
    x_t = level.alpha * x_0 + level.sigma * noise
    wrong_noise = (x_t - level.alpha * wrong_x_0) / level.sigma  # what a model that answers so says of the noise
    rates = np.array([level.alpha]), np.array([level.sigma])
    wanted = min(schedule.snr(t), gamma) * ((x_0 - wrong_x_0) ** 2).mean()
    for prediction in PREDICTIONS:
        ends = ((x_0, noise), (wrong_x_0, wrong_noise))
        right, said = (target(prediction, *end, level.alpha, level.sigma) for end in ends)
        weighted = min_snr(prediction, *rates, gamma) * ((right - said) ** 2).mean()
        assert weighted.item() == pytest.approx(wanted, rel=1e-6)


@each_objective
def test_weights_are_finite_wherever_the_objective_goes(objective: Objective) -> None:
    schedule = make_schedule(objective.schedule)
    for weigh in WEIGHTINGS.values():
        weights = weigh(objective.prediction, schedule.alpha, schedule.sigma)
        assert weights.shape == (1000,) and np.isfinite(weights).all() and weights.min() >= 0
    assert (none(objective.prediction, schedule.alpha, schedule.sigma) == 1).all()


# What there is


def test_the_objectives_are_the_papers() -> None:
    found = {name: (one.schedule, one.prediction, one.times) for name, one in OBJECTIVES.items()}
    assert found == {
        "noise": ("scaled_linear", "noise", "uniform"),
        "x_0": ("cosine", "x_0", "uniform"),
        "v": ("cosine", "v", "uniform"),
        "flow": ("flow", "velocity", "logit_normal"),
    }


def test_errors_teach() -> None:
    with pytest.raises(ValueError, match=r"Objective: schedule: wanted one of linear, .*, got 'square'"):
        Objective("square", "v")
    with pytest.raises(ValueError, match="Objective: prediction: wanted one of noise, x_0, v, velocity, got 'score'"):
        Objective("cosine", "score")
    with pytest.raises(ValueError, match="Objective: times: wanted one of uniform, logit_normal, got 'late'"):
        Objective("cosine", "v", "late")
