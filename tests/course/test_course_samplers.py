"""Chapter 10 asks for a sampler of second order, where DDIM is of first: on Gaussian data the end is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.course.exercise import load
from minisd.diffusion.samplers import SAMPLERS, Sampler
from minisd.diffusion.schedule import NoiseLevel, make_schedule

SCHEDULE, MEAN, SPREAD = make_schedule("cosine"), 0.5, 0.5


def error(sampler: Sampler, steps: int) -> float:
    """Between t = 900 and t = 100: how far the points end from where all the steps in the world would take them."""
    z = np.random.default_rng(0).standard_normal((1, 4, 4, 1))

    def exact(level: NoiseLevel) -> Array:
        return level.alpha * MEAN + math.hypot(level.alpha * SPREAD, level.sigma) * z

    def denoise(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        x_0 = load("10.5").reference(x_t, level.alpha**2, MEAN, SPREAD**2)
        return x_0, (x_t - level.alpha * x_0) / level.sigma

    levels = [SCHEDULE.level(900 - 800 // steps * i) for i in range(steps + 1)]
    walked = [x for x, _ in sampler(denoise, exact(levels[0]), levels, lambda: np.zeros_like(z))]
    return float(np.abs(walked[-1] - exact(levels[-1])).max())


@pytest.mark.parametrize(("sampler", "order"), [(SAMPLERS["ddim"], 1), (load("10.6").reference, 2)])
def test_twice_the_steps_leave_the_error_that_the_order_says(sampler: Sampler, order: int) -> None:
    assert error(sampler, 80) / error(sampler, 160) == pytest.approx(2**order, rel=0.1)
