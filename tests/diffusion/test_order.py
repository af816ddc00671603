"""How fast each sampler's error falls with its steps, on Gaussian data, where the right end is known: its order.

Measured between two levels with noise: the last step, to the clean picture, is of first order in every method.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from diffusion.gaussian import MEAN, SD, denoise, moments, on_its_way, spread

from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import SCHEDULES, NoiseLevel, make_schedule
from minisd.diffusion.spacing import make_levels

Place = Callable[[float], NoiseLevel]


def in_lambda(value: float) -> NoiseLevel:
    alpha = 1 / math.hypot(1, math.exp(-value))
    return NoiseLevel(0, alpha, math.exp(-value) * alpha)


def in_ratio(value: float) -> NoiseLevel:
    alpha = 1 / math.hypot(1, value)
    return NoiseLevel(0, alpha, value * alpha)


def in_flow(tau: float) -> NoiseLevel:
    return NoiseLevel(0, 1 - tau, tau)


def measured(error: Callable[[int], float], steps: int = 160) -> float:
    return math.log2(error(steps) / error(2 * steps))


def off(sampler: str, options: dict[str, Any], levels: Sequence[NoiseLevel], step: int) -> float:
    """The error after so many steps."""
    walked = SAMPLERS[sampler](denoise, on_its_way(1.3, levels[0]), levels, lambda: 0.0, **options)
    return float(abs([x for x, _ in walked][step - 1] - on_its_way(1.3, levels[step])).item())


@pytest.mark.parametrize(
    ("sampler", "options", "order"),
    [("ddim", {}, 1), ("euler", {}, 1), ("heun", {}, 2), ("lms", {"order": 1}, 1), ("lms", {"order": 2}, 2),
     ("dpm_solver", {}, 2), ("unipc", {"order": 1}, 2)],
)  # fmt: skip
@pytest.mark.parametrize(("place", "ends"), [(in_lambda, (-2, 2)), (in_ratio, (5, 0.5))])
def test_order(sampler: str, options: dict[str, Any], order: int, place: Place, ends: tuple[float, float]) -> None:
    def error(steps: int) -> float:
        return off(sampler, options, [place(value) for value in np.linspace(*ends, steps + 1).tolist()], steps)

    assert measured(error) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
def test_order_from_nothing_but_noise(sampler: str, order: int) -> None:
    def error(steps: int) -> float:
        return off(sampler, {}, [in_flow(tau) for tau in np.linspace(1, 0.2, steps + 1).tolist()], steps)

    assert measured(error) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize(("place", "ends"), [(in_lambda, (-2, 2)), (in_ratio, (5, 0.5))])
def test_order_of_the_multi_step_method(order: int, place: Place, ends: tuple[float, float]) -> None:
    """Its first steps know fewer slopes and are of lower order: here they are so short that it does not show."""

    def error(steps: int) -> float:
        first = [steps ** (-order / (known + 1)) / 2 for known in range(1, order - 1)]
        way = [0.0, *first, *np.linspace(0, 1, steps + 1)[1:].tolist()]
        levels = [place(ends[0] + share * (ends[1] - ends[0])) for share in way]
        return off("lms", {"order": order}, levels, len(levels) - 1)

    assert measured(error) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("order", [2, 3])
def test_order_of_the_predictor_and_corrector(order: int) -> None:
    """A predictor of order p, corrected, is of order p + 1 (Zhao et al. 2023, theorem 3.1), before its last steps."""

    def error(steps: int) -> float:
        values = np.linspace(-2, 2, steps + 1).tolist()
        beyond = [2 + 2 * k / steps for k in range(1, order + 1)]  # the last steps are of lower order, so go on
        return off("unipc", {"order": order}, [in_lambda(value) for value in values + beyond], steps)

    assert measured(error) == pytest.approx(order + 1, abs=0.15)


@pytest.mark.parametrize(
    ("sampler", "options", "order"),
    [("ddpm", {}, 1), ("ddim", {"eta": 1.0}, 1), ("ddim", {"eta": 0.5}, 1), ("euler_ancestral", {}, 1),
     ("dpm_solver_sde", {}, 2)],
)  # fmt: skip
@pytest.mark.parametrize(("place", "ends"), [(in_lambda, (-2, 2)), (in_ratio, (5, 0.5))])
def test_weak_order(sampler: str, options: dict[str, Any], order: int, place: Place, ends: tuple[float, float]) -> None:
    """Of samplers that draw fresh noise: how fast the distribution's variance gets right; its mean always is."""

    def error(steps: int) -> float:
        levels = [place(value) for value in np.linspace(*ends, steps + 1).tolist()]
        mean, variance = moments(sampler, levels, **options)
        assert mean == pytest.approx(levels[-1].alpha * MEAN, rel=1e-9)
        return abs(variance - spread(levels[-1]) ** 2)

    assert measured(error) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_steps_reproduce_the_data(sampler: str, schedule: str) -> None:
    mean, variance = moments(sampler, make_levels(make_schedule(schedule, 300), 300))
    assert mean == pytest.approx(MEAN, abs=1e-9)
    first_order = sampler in ("ddpm", "ddim", "euler", "euler_ancestral")
    assert math.sqrt(variance) == pytest.approx(SD, rel=0.04 if first_order else 0.01)
