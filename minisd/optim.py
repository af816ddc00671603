"""Optimisers, the moving average of weights, gradient clipping, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from minisd_kernels import adam

from minisd.autograd import Array
from minisd.nn.module import Module, Parameter


class SGD:
    """Stochastic gradient descent: parameter -= lr gradient."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = list(parameters)

    def step(self, lr: float) -> None:
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.data -= parameter.data.dtype.type(lr) * parameter.grad
                parameter.grad = None


class AdamW:
    """Adam with decoupled weight decay (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2).

    ``step`` consumes the gradients: they are None afterwards.
    """

    def __init__(
        self, module: Module, *, betas: tuple[float, float] = (0.9, 0.99), eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        self.named = dict(module.named_parameters())
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.steps = 0
        self.m = {name: np.zeros_like(parameter.data) for name, parameter in self.named.items()}
        self.v = {name: np.zeros_like(parameter.data) for name, parameter in self.named.items()}

    def step(self, lr: float) -> None:
        self.steps += 1
        for name, parameter in self.named.items():
            if parameter.grad is None:
                continue
            adam.step(
                parameter.data.reshape(-1),
                np.ascontiguousarray(parameter.grad).reshape(-1),
                self.m[name].reshape(-1),
                self.v[name].reshape(-1),
                step=self.steps,
                lr=lr,
                beta1=self.betas[0],
                beta2=self.betas[1],
                eps=self.eps,
                weight_decay=self.weight_decay,
            )
            parameter.grad = None

    def state_dict(self) -> dict[str, Array]:
        """Both moments of every parameter, and the number of steps."""
        moments = {f"m.{name}": array for name, array in self.m.items()}
        moments |= {f"v.{name}": array for name, array in self.v.items()}
        return moments | {"steps": np.asarray(self.steps)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        for name in self.named:
            self.m[name][...] = state[f"m.{name}"]
            self.v[name][...] = state[f"v.{name}"]
        self.steps = int(state["steps"])


class EMA:
    """The exponential moving average of a module's weights: smoother than the last step's, and better to draw with.

    average += (1 - decay_n) (weight - average), decay_n = min(decay, (1 + n) / (10 + n)) after n steps, so that the
    first, bad weights are soon forgotten.
    """

    def __init__(self, module: Module, decay: float) -> None:
        self.weights = module.state_dict()
        self.average = {name: array.copy() for name, array in self.weights.items()}
        self.decay, self.steps = decay, 0

    def update(self) -> None:
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, average in self.average.items():
            average += np.float32(1 - decay) * (self.weights[name] - average)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the block the module has the averaged weights, afterwards its own again."""
        own = {name: array.copy() for name, array in self.weights.items()}
        for name, array in self.weights.items():
            array[...] = self.average[name]
        try:
            yield
        finally:
            for name, array in self.weights.items():
                array[...] = own[name]

    def state_dict(self) -> dict[str, Array]:
        return {**self.average, "steps": np.asarray(self.steps)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        for name, average in self.average.items():
            average[...] = state[name]
        self.steps = int(state["steps"])


def clip_gradients(parameters: Iterable[Parameter], largest_norm: float) -> float:
    """Scale all gradients down together where their joint length exceeds `largest_norm`; returns the length before.

    The direction of the step stays (Pascanu et al. 2013). A length that is not finite is returned, nothing scaled.
    """
    grads = [parameter for parameter in parameters if parameter.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(p.grad, p.grad)) for p in grads))  # type: ignore[arg-type]
    if math.isfinite(norm) and norm > largest_norm:
        for parameter in grads:
            parameter.grad = parameter.grad * parameter.data.dtype.type(largest_norm / norm)
    return norm


def warmup_cosine(step: int, steps: int, peak: float, *, warmup: int, final: float = 0.0) -> float:
    """Learning rate at `step` of `steps`: up in a straight line, then down along half a cosine (Loshchilov & Hutter 2017).

    >>> [round(warmup_cosine(step, 100, 1.0, warmup=10), 3) for step in (0, 9, 54, 99)]
    [0.1, 1.0, 0.517, 0.0]
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * progress))
