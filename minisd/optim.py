"""Optimisers, the moving average of weights, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from minisd_kernels import adam
from minisd_kernels.devices import device_of, to_device, to_host

from minisd.autograd import Array
from minisd.nn.module import Module, Parameter


class SGD:
    """Stochastic gradient descent: parameter -= lr gradient."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = list(parameters)

    def step(self, lr: float) -> None:
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.data -= parameter.data.dtype.type(lr) * parameter.grad  # the tape sees that it is written to
                parameter.grad = None


class AdamW:
    """Adam with decoupled weight decay (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2).

    All parameters of the module move together, in the one buffer of ``Module.flat_parameters``; a parameter that has no
    gradient counts as one with gradient 0. ``step`` consumes the gradients: they are None afterwards. The moments live
    where the weights live.
    """

    def __init__(
        self, module: Module, *, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        self.parameters, self.weights = module.parameters(), module.flat_parameters()
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.m, self.v = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.steps = 0

    def step(self, lr: float, largest_norm: float = math.inf) -> float:
        """Move the weights; gradients longer than `largest_norm` are shortened to it first (Pascanu et al. 2013).

        Returns the gradient's length before that. If it is not finite nothing moves: the caller decides what to do.
        """
        grad = np.concatenate(
            [(np.zeros_like(p.data) if p.grad is None else p.grad).reshape(-1) for p in self.parameters]
        )
        norm = math.sqrt(adam.squared_length(grad))
        if not math.isfinite(norm):
            return norm
        self.steps += 1
        grad_scale = min(1.0, largest_norm / norm) if norm else 1.0
        update = adam.Update(self.steps, lr, *self.betas, self.eps, self.weight_decay, grad_scale)
        adam.step(self.weights, grad, self.m, self.v, update)
        for parameter in self.parameters:
            parameter.grad = None
            parameter.changed()
        return norm

    def state_dict(self) -> dict[str, Array]:
        """Both moments, and the number of steps."""
        return {"m": to_host(self.m), "v": to_host(self.v), "steps": np.asarray(self.steps)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        for moment, name in ((self.m, "m"), (self.v, "v")):
            moment[...] = to_device(state[name], device_of(moment))
        self.steps = int(state["steps"])


class EMA:
    """The exponential moving average of a module's weights: smoother than the last step's, and better to draw with.

    average += (1 - decay_n) (weights - average), decay_n = min(decay, (1 + n) / (10 + n)) after n steps, so that the
    first, bad weights are soon forgotten.
    """

    def __init__(self, module: Module, decay: float) -> None:
        self.parameters, self.weights = module.parameters(), module.flat_parameters()
        self.average = self.weights.copy()
        self.decay, self.steps = decay, 0

    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        adam.average(self.average, self.weights, rate=1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the block the module has the averaged weights, afterwards its own again."""
        own = self.weights.copy()
        self._write(self.average)
        try:
            yield
        finally:
            self._write(own)

    def _write(self, weights: Array) -> None:
        self.weights[...] = weights
        for parameter in self.parameters:
            parameter.changed()

    def state_dict(self) -> dict[str, Array]:
        return {"average": to_host(self.average), "steps": np.asarray(self.steps)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        self.average[...] = to_device(state["average"], device_of(self.average))
        self.steps = int(state["steps"])


# How the learning rate falls: its share of the peak, by the share of the way that is gone.
DECAYS: dict[str, Callable[[float], float]] = {
    "cosine": lambda gone: 0.5 * (1 + math.cos(math.pi * gone)),  # Loshchilov & Hutter 2017, eq. 5
    "linear": lambda gone: 1 - gone,
}


def learning_rate(
    step: int, steps: int | None, peak: float, *, warmup: int, decay: str = "cosine", hold: float = 0.0
) -> float:
    """Learning rate at `step` of `steps`: straight up, level for a while, and down to 0.

    Level and then linear, it is "warmup-stable-decay" (Hu et al. 2024).

    Args:
        steps: None while they are not known: until then it does not fall.
        decay: how it falls, a name in DECAYS.
        hold: the share of the steps after `warmup` for which it stays at the peak.

    >>> [round(learning_rate(n, 110, 1.0, warmup=10, decay="linear", hold=0.5), 3) for n in (0, 9, 59, 85, 109)]
    [0.1, 1.0, 1.0, 0.5, 0.02]
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    gone = 0.0 if steps is None else (step - warmup) / max(1, steps - warmup)
    return peak if gone <= hold else peak * DECAYS[decay]((gone - hold) / (1 - hold))


def warmup_cosine(step: int, steps: int, peak: float, *, warmup: int, final: float = 0.0) -> float:
    """Learning rate at `step` of `steps`: straight up, then down along half a cosine (Loshchilov & Hutter 2017).

    >>> [round(warmup_cosine(step, 100, 1.0, warmup=10), 3) for step in (0, 9, 54, 99)]
    [0.1, 1.0, 0.517, 0.0]
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * progress))
