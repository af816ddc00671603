"""Optimisers against plain loops (and PyTorch), the moving average, the learning-rate schedule, state round trips."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import defaults

from minisd.autograd import Array
from minisd.nn import Linear, Module, Parameter
from minisd.optim import DECAYS, EMA, SGD, AdamW, learning_rate, warmup_cosine

SHAPES = [(3, 4), (5,), (2, 1, 2)]


class Weights(Module):
    """A few parameters and no computation; made alike for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.weights = [Parameter(rng.standard_normal(shape)) for shape in SHAPES]

    def give(self, gradients: list[Array]) -> None:
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = gradient

    def copy(self) -> list[Array]:
        return [weight.data.copy() for weight in self.weights]


def some_gradients(seed: int) -> list[Array]:
    rng = np.random.default_rng(100 + seed)
    return [rng.standard_normal(shape) for shape in SHAPES]


OPTIONS: dict[str, Any] = {"betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}


def test_adamw_is_the_algorithm() -> None:
    module = Weights()
    start, gradients = module.copy(), [some_gradients(seed) for seed in range(5)]
    optimiser = AdamW(module, **OPTIONS)
    for gradient in gradients:
        module.give(gradient)
        optimiser.step(0.01)
        assert all(weight.grad is None for weight in module.weights)  # the gradients are consumed
    for i, weight in enumerate(module.weights):
        histories = [gradient[i].ravel() for gradient in gradients]
        wanted = oracles.adamw(start[i].ravel(), histories, 0.01, 0.8, 0.95, 1e-6, 0.1).reshape(weight.shape)
        np.testing.assert_allclose(weight.data, wanted, rtol=1e-10)


def test_adamw_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    module = Weights()
    theirs = [torch.tensor(weight, requires_grad=True) for weight in module.copy()]
    optimiser, their_optimiser = AdamW(module, **OPTIONS), torch.optim.AdamW(theirs, lr=0.01, **OPTIONS)
    for seed in range(4):
        module.give(some_gradients(seed))
        for tensor, gradient in zip(theirs, some_gradients(seed), strict=True):
            tensor.grad = torch.tensor(gradient)
        optimiser.step(0.01)
        their_optimiser.step()
    for weight, tensor in zip(module.weights, theirs, strict=True):
        np.testing.assert_allclose(weight.data, tensor.detach().numpy(), rtol=1e-10)


def test_a_missing_gradient_is_a_gradient_of_0() -> None:
    one, other = Weights(), Weights()
    optimisers = AdamW(one, **OPTIONS), AdamW(other, **OPTIONS)
    for seed in range(2):
        gradients = some_gradients(seed)
        other.give([np.zeros_like(gradients[0]), *gradients[1:]])
        one.give(gradients)
        one.weights[0].grad = None
        for optimiser in optimisers:
            optimiser.step(0.1)
    for a, b in zip(one.copy(), other.copy(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_long_gradients_are_shortened_and_keep_their_direction() -> None:
    gradients = some_gradients(0)
    norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
    cut, scaled, free = Weights(), Weights(), Weights()
    cut.give(gradients)
    scaled.give([gradient * (0.5 / norm) for gradient in gradients])
    free.give(gradients)
    # A large eps makes the step depend on the gradient's length.
    assert AdamW(cut, eps=1.0).step(0.1, largest_norm=0.5) == pytest.approx(norm)
    assert AdamW(scaled, eps=1.0).step(0.1) == pytest.approx(0.5)
    assert AdamW(free, eps=1.0).step(0.1, largest_norm=norm + 1) == pytest.approx(norm)
    for a, b, c in zip(cut.copy(), scaled.copy(), free.copy(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert (a != c).all()
    np.testing.assert_array_equal(gradients[0], some_gradients(0)[0])  # a gradient's array may belong to others


class Number(Module):
    """One weight."""

    def __init__(self, value: float) -> None:
        self.weight = Parameter(np.array([value]))


def test_two_steps_by_hand() -> None:
    """Gradients 3, cut to 2, and 1: schedule, clipping, decoupled decay and average, each number written out."""
    module = Number(10.0)
    optimiser, ema = AdamW(module, weight_decay=0.5), EMA(module, decay=0.9)
    w, m, v, average = 10.0, 0.0, 0.0, 10.0
    for step, (grad, cut, lr, decay) in enumerate([(3.0, 2.0, 0.05, 2 / 11), (1.0, 1.0, 0.1, 3 / 12)], start=1):
        module.weight.grad = np.array([grad])
        assert optimiser.step(warmup_cosine(step - 1, 10, 0.1, warmup=2), largest_norm=2.0) == grad
        ema.update()
        m, v = 0.9 * m + 0.1 * cut, 0.99 * v + 0.01 * cut**2
        w -= lr * ((m / (1 - 0.9**step)) / (math.sqrt(v / (1 - 0.99**step)) + 1e-8) + 0.5 * w)
        average = decay * average + (1 - decay) * w
        assert module.weight.data[0] == pytest.approx(w, rel=1e-12)
        assert ema.average[0] == pytest.approx(average, rel=1e-12)
    assert w < 9.2 < average < 9.6


def test_what_adam_is_if_nothing_is_said() -> None:
    """Decay 0, betas 0.9 and 0.99, eps 1e-8: found from two steps whose gradients are as small as eps."""
    module = Number(0.0)
    optimiser = AdamW(module)
    w, m, v = 0.0, 0.0, 0.0
    for step, grad in enumerate([1e-8, 3e-8], start=1):
        module.weight.grad = np.array([grad])
        optimiser.step(1.0)
        m, v = 0.9 * m + 0.1 * grad, 0.99 * v + 0.01 * grad**2
        w -= (m / (1 - 0.9**step)) / (math.sqrt(v / (1 - 0.99**step)) + 1e-8)
        assert module.weight.data[0] == pytest.approx(w, rel=1e-6)
    module.weight.data[...] = 100.0
    module.weight.grad = np.zeros(1)
    fresh = AdamW(module)
    fresh.step(1.0)
    assert module.weight.data[0] == 100  # nothing decays


def test_a_short_gradient_is_not_made_longer() -> None:
    steps = []
    for largest in (math.inf, 100.0, 2.0):
        module = Number(1.0)
        module.weight.grad = np.array([1e-3])
        AdamW(module, eps=1.0).step(0.1, largest_norm=largest)
        steps.append(module.weight.data[0])
    assert steps[0] == steps[1] == steps[2] != 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(wrong: float) -> None:
    module = Weights()
    before, optimiser = module.copy(), AdamW(module, **OPTIONS)
    gradients = some_gradients(0)
    gradients[1][2] = wrong
    module.give(gradients)
    assert not math.isfinite(optimiser.step(0.1, largest_norm=1.0))
    assert optimiser.steps == 0 and not optimiser.m.any()
    for now, then in zip(module.copy(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_adamw_goes_on_from_its_state() -> None:
    module = Weights()
    optimiser = AdamW(module, **OPTIONS)

    def train(module: Weights, optimiser: AdamW, seeds: range) -> None:
        for seed in seeds:
            module.give(some_gradients(seed))
            optimiser.step(0.05)

    train(module, optimiser, range(3))
    state = {name: np.array(array) for name, array in optimiser.state_dict().items()}
    resumed = Weights(seed=9)
    resumed.load_state_dict(module.state_dict())
    resumed_optimiser = AdamW(resumed, **OPTIONS)
    resumed_optimiser.load_state_dict(state)
    train(module, optimiser, range(3, 6))
    train(resumed, resumed_optimiser, range(3, 6))
    for a, b in zip(module.copy(), resumed.copy(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sgd_walks_against_the_gradient() -> None:
    module = Weights()
    before, gradients = module.copy(), some_gradients(0)
    module.give(gradients)
    module.weights[1].grad = None
    SGD(module.parameters()).step(0.5)
    np.testing.assert_allclose(module.weights[0].data, before[0] - 0.5 * gradients[0])
    np.testing.assert_array_equal(module.weights[1].data, before[1])
    assert module.weights[0].grad is None


# ---- One buffer


def test_flat_parameters_are_the_parameters() -> None:
    module = Weights()
    before = module.copy()
    buffer = module.flat_parameters()
    np.testing.assert_array_equal(buffer, np.concatenate([weight.ravel() for weight in before]))
    assert module.flat_parameters() is buffer  # optimiser and average share it
    buffer += 1
    for weight, then in zip(module.weights, before, strict=True):
        np.testing.assert_array_equal(weight.data, then + 1)


def test_a_part_of_a_flattened_module_can_be_trained_alone() -> None:
    rng = np.random.default_rng(0)
    both = Module()
    both.layers = [Linear(2, 3, rng=rng), Linear(3, 2, rng=rng)]  # type: ignore[attr-defined]
    both.flat_parameters()
    part = both.layers[0]  # type: ignore[attr-defined]
    assert part.flat_parameters().size == part.parameter_count()
    before = both.state_dict()["layers.1.weight"].copy()
    part.weight.grad = np.ones_like(part.weight.data)
    AdamW(part).step(0.1)
    np.testing.assert_array_equal(both.state_dict()["layers.1.weight"], before)


# ---- The moving average


def test_the_average_forgets_the_first_weights_soon() -> None:
    module = Weights()
    average = module.copy()
    ema = EMA(module, decay=0.3)
    for step in range(1, 6):
        for weight, gradient in zip(module.weights, some_gradients(step), strict=True):
            weight.data += gradient
        ema.update()
        decay = min(0.3, (1 + step) / (10 + step))
        average = [decay * mean + (1 - decay) * now for mean, now in zip(average, module.copy(), strict=True)]
    own = module.copy()
    with ema.in_use():
        for now, wanted in zip(module.copy(), average, strict=True):
            np.testing.assert_allclose(now, wanted, rtol=1e-12)
    with pytest.raises(KeyError), ema.in_use():
        raise KeyError
    for now, wanted in zip(module.copy(), own, strict=True):
        np.testing.assert_array_equal(now, wanted)

    resumed = EMA(module, decay=0.3)
    resumed.load_state_dict({name: np.array(array) for name, array in ema.state_dict().items()})
    for each in (ema, resumed):
        each.update()
    np.testing.assert_array_equal(resumed.average, ema.average)
    assert resumed.steps == ema.steps == 6


# ---- The learning rate


def test_the_learning_rate_goes_up_and_down() -> None:
    rates = [warmup_cosine(step, 100, 2.0, warmup=10, final=0.5) for step in range(100)]
    np.testing.assert_allclose(rates[:10], 0.2 * np.arange(1, 11))
    assert max(rates) == rates[9] == rates[10] == 2.0
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    np.testing.assert_allclose(rates[55], (2 + 0.5) / 2)  # half way down
    assert 0.5 < rates[99] < 0.501


@pytest.mark.parametrize(
    ("steps", "peak", "warmup", "final"), [(7, 1.0, 3, 0.0), (50, 3e-4, 10, 1e-5), (4, 2.0, 0, 1.0)]
)
def test_the_learning_rate_is_its_formula(steps: int, peak: float, warmup: int, final: float) -> None:
    for step in range(steps):
        up = peak * (step + 1) / warmup if step < warmup else math.inf
        down = final + (peak - final) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
        wanted = up if step < warmup else down
        assert warmup_cosine(step, steps, peak, warmup=warmup, final=final) == pytest.approx(wanted, rel=1e-12)


def test_the_learning_rate_without_warmup_starts_at_its_peak() -> None:
    assert warmup_cosine(0, 10, 1.0, warmup=0) == 1
    assert warmup_cosine(0, 1, 1.0, warmup=1) == 1


def test_what_the_optimiser_does_unless_told_otherwise() -> None:
    assert defaults(AdamW) == {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0}
    assert defaults(AdamW.step) == {"largest_norm": math.inf}
    assert defaults(warmup_cosine) == {"final": 0.0}


@given(st.integers(2, 300), st.integers(0, 50), st.floats(1e-4, 10))
def test_along_a_cosine_the_rate_is_the_warmup_cosine_to_the_bit(steps: int, warmup: int, peak: float) -> None:
    for step in range(steps):
        wanted = warmup_cosine(step, steps, peak, warmup=warmup)
        assert learning_rate(step, steps, peak, warmup=warmup) == wanted


@pytest.mark.parametrize("decay", DECAYS)
def test_the_rate_rises_stays_and_falls(decay: str) -> None:
    rates = [learning_rate(step, 210, 2.0, warmup=10, decay=decay, hold=0.6) for step in range(211)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert set(rates[10:131]) == {2.0}
    falling = np.array(rates[130:])
    wanted = {"linear": np.linspace(2, 0, 81), "cosine": 1 + np.cos(np.linspace(0, np.pi, 81))}[decay]
    np.testing.assert_allclose(falling, wanted, atol=1e-12)


def test_the_rate_does_not_fall_while_nothing_is_planned_or_where_it_holds_to_the_end() -> None:
    assert [learning_rate(step, None, 1.0, warmup=4) for step in (0, 3, 4, 99)] == [0.25, 1, 1, 1]
    assert {learning_rate(step, 50, 1.0, warmup=0, hold=1.0) for step in range(50)} == {1.0}
