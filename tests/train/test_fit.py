"""What a fit does, step by step, by hand: order of samples, learning rate, clipping, Adam, average, going on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minisd.autograd import Array, Tensor
from minisd.nn import Module, Parameter
from minisd.train.loop import Fit, TrainingDiverged
from minisd.train.recipe import Recipe

RECIPE = Recipe(batch=2, peak_lr=0.1, warmup=4, clip_norm=0.5, ema_decay=0.3, weight_decay=0.01)


class Weights(Module):
    def __init__(self) -> None:
        self.weight = Parameter(np.array([1.0, -2.0, 3.0]))


class Spy:
    """A task that notes what it is given; its loss is the product of the weights with the samples' numbers."""

    name = "spy"

    def __init__(self, samples: int = 5, recipe: Recipe = RECIPE) -> None:
        self.module, self.sample_count, self.recipe = Weights(), samples, recipe
        self.seen: list[list[int]] = []
        self.drawn: list[float] = []

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        self.seen.append(samples.tolist())
        self.drawn.append(float(rng.random()))
        return (np.outer(samples + 1.0, [1.0, 2.0, -1.0]).sum(axis=0),)

    def loss(self, x: Tensor) -> Tensor:
        return (self.module.weight * x).sum()

    def preview(self) -> None:
        return None


def take(fit: Fit, steps: int) -> Fit:
    for _ in range(steps):
        fit.step()
    return fit


def weights_of(fit: Fit) -> list[float]:
    return fit.task.module.weight.data.tolist()  # type: ignore[attr-defined]


def by_hand(batches: list[list[int]], total: int) -> tuple[list[float], list[float], list[float]]:
    """Losses, weights and average after these batches: Adam with decoupled decay, clipped, warmed up, then a cosine."""
    w, m, v = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
    average, losses = w.copy(), []
    for n, samples in enumerate(batches):
        g = sum((i + 1.0) * np.array([1.0, 2.0, -1.0]) for i in samples)
        losses.append(float(w @ g))
        g = g * min(1, 0.5 / np.linalg.norm(g))
        lr = 0.1 * (n + 1) / 4 if n < 4 else 0.1 * 0.5 * (1 + math.cos(math.pi * (n - 4) / (total - 4)))
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        m_hat, v_hat = m / (1 - 0.9 ** (n + 1)), v / (1 - 0.99 ** (n + 1))
        w = w - lr * (m_hat / (np.sqrt(v_hat) + 1e-8) + 0.01 * w)
        decay = min(0.3, (2 + n) / (11 + n))
        average = decay * average + (1 - decay) * w
    return losses, w.tolist(), average.tolist()


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_steps_by_hand(steps: int) -> None:
    task = Spy()
    fit = take(Fit(task, seed=3, steps=9), steps)
    losses, weights, average = by_hand(task.seen, 9)
    np.testing.assert_allclose(fit.losses, losses, rtol=1e-12)
    np.testing.assert_allclose(weights_of(fit), weights, rtol=1e-9)
    np.testing.assert_allclose(fit.ema.average, average, rtol=1e-9)
    fit.keep_average()
    np.testing.assert_allclose(weights_of(fit), average, rtol=1e-9)


def test_an_epoch_shows_every_sample_once_and_each_in_another_order() -> None:
    task = Spy(samples=40)
    take(Fit(task, seed=0, steps=99), 60)
    epochs = [[i for batch in task.seen[at : at + 20] for i in batch] for at in (0, 20, 40)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != list(range(40)) != epochs[0]
    incomplete = Spy(samples=5)
    take(Fit(incomplete, seed=0, steps=9), 4)
    assert all(len(batch) == 2 for batch in incomplete.seen) and len({*incomplete.seen[0], *incomplete.seen[1]}) == 4
    few = Spy(samples=1)
    assert take(Fit(few, seed=0, steps=9), 2).batch_size == 1 and few.seen == [[0], [0]]


def test_a_step_draws_from_its_own_stream() -> None:
    tasks = {seed: Spy(samples=40) for seed in (0, 1)}
    for seed, task in tasks.items():
        take(Fit(task, seed=seed, steps=9), 6)
    again, other = Spy(samples=40), Spy(samples=40)
    other.name = "another"
    for task in (again, other):
        take(Fit(task, seed=0, steps=9), 6)
    drawn = [number for task in (tasks[0], tasks[1], other) for number in task.drawn]
    assert len(set(drawn)) == 18 and again.drawn == tasks[0].drawn
    assert again.seen == tasks[0].seen and tasks[0].seen != tasks[1].seen and tasks[0].seen != other.seen


def test_going_on_continues_to_the_bit() -> None:
    whole = take(Fit(Spy(), seed=1, steps=9), 9)
    for stop in (1, 3, 8):
        arrays, about = take(Fit(Spy(), seed=1, steps=9), stop).state()
        assert about == {"network": "spy", "steps": 9, "steps_done": stop}
        fit = Fit(Spy(), seed=1, steps=9)
        fit.load_state({name: array.copy() for name, array in arrays.items()})
        assert fit.steps_done == fit.optimizer.steps == fit.ema.steps == stop
        take(fit, 9 - stop)
        assert fit.done and fit.losses == whole.losses and weights_of(fit) == weights_of(whole)
        assert fit.ema.average.tolist() == whole.ema.average.tolist()


def damaged(arrays: dict[str, Any], name: str, array: Any) -> dict[str, Any]:
    rest = {key: value for key, value in arrays.items() if key != name}
    return rest if array is None else rest | {name: np.asarray(array)}


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("weights.weight", None, "weights.weight is missing"),
        ("weights.weight", np.zeros(4), "weights.weight is float64 (4,); wanted float64 (3,)"),
        ("weights.weight", np.zeros(3, np.float32), "weights.weight is float32"),
        ("average.average", [0.0, np.nan, 0.0], "all finite"),
        ("optimizer.m", np.zeros((3, 1)), "optimizer.m is"),
        ("optimizer.steps", 7, "of 2 and 7 steps"),
        ("average.steps", 0.5, "average.steps is float64"),
        ("losses", [1.0], "of 1 and 2 steps"),
        ("losses", 1.0, "losses is"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(name: str, array: Any, said: str) -> None:
    arrays, _ = take(Fit(Spy(), seed=1, steps=9), 2).state()
    arrays = {key: value.copy() for key, value in arrays.items()}
    fit = Fit(Spy(), seed=1, steps=9)
    with pytest.raises(ValueError) as caught:
        fit.load_state(damaged(arrays, name, array))
    assert said in str(caught.value)
    assert weights_of(fit) == [1.0, -2.0, 3.0] and fit.steps_done == 0 and not fit.optimizer.m.any()


def test_until_it_is_planned_the_rate_only_warms_up() -> None:
    planned, unplanned = Fit(Spy(), seed=0, steps=50), Fit(Spy(), seed=0)
    take(planned, 4), take(unplanned, 4)
    assert weights_of(planned) == weights_of(unplanned) and not unplanned.done


class Infinite(Spy):
    """Its loss is infinite while its gradient is not."""

    def loss(self, x: Tensor) -> Tensor:
        return super().loss(x) + Tensor(np.float64(np.inf))


class Steep(Spy):
    """Its gradient is infinite while its loss is not."""

    def loss(self, x: Tensor) -> Tensor:
        weight = self.module.weight
        return ((weight - weight.data) ** 0.5).sum() if self.seen else super().loss(x)


@pytest.mark.parametrize("kind", [Infinite, Steep])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_diverges_stops_before_anything_moves(kind: type[Spy]) -> None:
    fit = Fit(kind(), seed=0, steps=5)
    with pytest.raises(TrainingDiverged, match=r"spy, step 0: the loss is .*; look at the data, or lower"):
        fit.step()
    assert weights_of(fit) == [1.0, -2.0, 3.0] and fit.ema.average.tolist() == [1.0, -2.0, 3.0]
    assert fit.steps_done == fit.ema.steps == fit.optimizer.steps == 0
