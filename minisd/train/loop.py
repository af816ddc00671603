"""The training step: the same for every network.

    make a batch -> loss -> gradients -> clip -> Adam -> moving average of the weights        (and again)

Step n draws everything random from a stream that depends on (seed, network, n) alone, and epoch e visits the samples
in an order that depends on (seed, network, e) alone. So a run that goes on from step n continues to the bit as if it
had never stopped, and the state to save is weights, moments, average and n.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from minisd.autograd import Array, Tensor
from minisd.memory import keep_freed_memory
from minisd.nn import Module
from minisd.optim import EMA, AdamW, learning_rate
from minisd.train.recipe import Recipe


class Task(Protocol):
    """What a network learns: its name, the module, what a batch is made of, and its loss."""

    name: str

    @property
    def recipe(self) -> Recipe: ...

    @property
    def module(self) -> Module: ...

    @property
    def sample_count(self) -> int: ...

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        """What `loss` needs of the samples (B,): arrays on the host, everything random in them drawn from `rng`."""
        ...

    @property
    def loss(self) -> Callable[..., Tensor]:
        """The loss of a batch: a function of its arrays, as tensors where the module lives."""
        ...

    def preview(self) -> Array | None:
        """Pictures (N, H, W) uint8 that show what the network can do now, or None."""
        ...


class TrainingDiverged(RuntimeError):
    """A loss or a gradient is no longer finite."""


class Fit:
    """One network on its way from random weights to trained ones, where it lives: move it there first.

    >>> fit = Fit(task, steps=1000, seed=0)  # doctest: +SKIP
    >>> while not fit.done:  # doctest: +SKIP
    ...     fit.step()
    """

    def __init__(self, task: Task, *, seed: int, steps: int | None = None) -> None:
        keep_freed_memory()  # every step makes and frees the same arrays
        self.task, self.seed, self.steps = task, seed, steps
        self.optimizer = AdamW(task.module, betas=task.recipe.betas, weight_decay=task.recipe.weight_decay)
        self.ema = EMA(task.module, task.recipe.ema_decay)
        self.losses: list[float] = []
        self._order: tuple[int, Array] = (-1, np.empty(0, np.int64))

    @property
    def batch_size(self) -> int:
        return min(self.task.recipe.batch, self.task.sample_count)

    @property
    def steps_done(self) -> int:
        return len(self.losses)

    @property
    def done(self) -> bool:
        return self.steps is not None and self.steps_done >= self.steps

    def step(self) -> None:
        """Train on one batch.

        Raises:
            TrainingDiverged: the loss or the gradient is not finite; the weights are those of the step before.
        """
        n, recipe, device = self.steps_done, self.task.recipe, self.task.module.device
        batch = self.task.batch(self._samples(n), self._rng("step", n))
        loss = self.task.loss(*(Tensor(array).to(device) for array in batch))  # nothing else crosses to the device
        loss.backward()
        # A GPU is waited for twice a step, here and for the gradient's length: what diverges must not move a weight.
        value = loss.item()
        # Until the number of steps is planned the rate only warms up, which does not depend on it.
        lr = learning_rate(
            n, self.steps, recipe.peak_lr, warmup=recipe.warmup, decay=recipe.lr_decay, hold=recipe.lr_hold
        )
        # A loss can be infinite and its gradient finite: then, too, nothing may move.
        norm = self.optimizer.step(lr, recipe.clip_norm) if math.isfinite(value) else math.nan
        if not math.isfinite(norm):
            raise TrainingDiverged(
                f"{self.task.name}, step {n}: the loss is {value:g} and the gradient's length {norm:g}; "
                "look at the data, or lower the learning rate"
            )
        self.ema.update()
        self.losses.append(value)

    def _samples(self, n: int) -> Array:
        """Samples of batch n: a fresh random order every epoch, an incomplete last batch left out."""
        epoch, place = divmod(n, self.task.sample_count // self.batch_size)
        if self._order[0] != epoch:
            self._order = epoch, self._rng("epoch", epoch).permutation(self.task.sample_count)
        return self._order[1][place * self.batch_size : (place + 1) * self.batch_size]

    def _rng(self, purpose: str, n: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(f"{self.task.name} {purpose}".encode()), n])

    def keep_average(self) -> None:
        """Give the module the averaged weights: the end of the training."""
        self.ema.weights[...] = self.ema.average  # the buffer that the module's parameters are views of

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Everything that going on needs: arrays, and plain values."""
        parts = {
            "weights": self.task.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.ema.state_dict(),
        }
        arrays = {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}
        arrays["losses"] = np.asarray(self.losses)
        return arrays, {"network": self.task.name, "steps": self.steps, "steps_done": self.steps_done}

    def load_state(self, arrays: dict[str, Array]) -> None:
        """Go on from a state; one that does not fit changes nothing.

        Raises:
            ValueError: an array is missing, of another shape or type, or not finite, or the numbers of steps differ.
        """
        for name, own in self.state()[0].items():
            if (array := arrays.get(name)) is None:
                raise ValueError(f"{name} is missing")
            wanted = (len(array),) if name == "losses" and array.ndim == 1 else own.shape
            if array.shape != wanted or array.dtype != own.dtype or not np.isfinite(array).all():
                raise ValueError(f"{name} is {array.dtype} {array.shape}; wanted {own.dtype} {wanted}, all finite")
        steps = {int(arrays["optimizer.steps"]), int(arrays["average.steps"]), len(arrays["losses"])}
        if len(steps) > 1:
            raise ValueError(f"optimizer, average and losses are of {' and '.join(map(str, sorted(steps)))} steps")

        def part(name: str) -> dict[str, Array]:
            return {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}

        self.task.module.load_state_dict(part("weights"))
        self.optimizer.load_state_dict(part("optimizer"))
        self.ema.load_state_dict(part("average"))
        self.losses = arrays["losses"].tolist()
