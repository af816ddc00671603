"""Classifier-free guidance: ask the model with and without the prompt and go further along the difference.

    noise = noise_uncond + guidance_scale (noise_cond - noise_uncond)

This is Ho & Salimans 2022, eq. 6, (1 + w) noise_cond - w noise_uncond, with guidance_scale = 1 + w as Stable Diffusion
counts it: 0 ignores the prompt, 1 is the model as trained, more trades variety for likeness to the prompt. The
formula is linear and v is a linear function of noise and x_t, so it serves v-prediction unchanged.

A negative prompt is the other prompt of the formula: what stands there instead of nothing is what one goes away from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minisd.diffusion.schedule import Array, NoiseSchedule, per_sample


def guided(noise_cond: Array, noise_uncond: Array, guidance_scale: Any) -> Array:
    """Extrapolate from the unconditional to the conditional prediction (Ho & Salimans 2022, eq. 6).

    Shapes: predictions (B, H, W, C); guidance_scale a float, or (B, 1, 1, 1).

    >>> guided(np.array([3.0]), np.array([1.0]), 7.5)
    array([16.])
    """
    return noise_uncond + guidance_scale * (noise_cond - noise_uncond)


def rescaled(noise_guided: Array, noise_cond: Array, rescale: float) -> Array:
    """Take back what guidance adds to each sample's contrast, by the share `rescale` (Lin et al. 2024, eq. 14 to 16).

    Guidance stretches the prediction, and with it the picture, whose strokes and grounds are then overexposed. With
    rescale = 1 its standard deviation is that of the prediction with the prompt alone.

    Shapes: predictions and the result (B, H, W, C).

    >>> rescaled(np.array([[-4.0, 4.0]]), np.array([[-1.0, 1.0]]), 0.5)
    array([[-2.5,  2.5]])
    """
    of_a_sample = tuple(range(1, noise_cond.ndim))
    std_cond, std_guided = (x.std(axis=of_a_sample, keepdims=True) for x in (noise_cond, noise_guided))  # eq. 14
    noise_rescaled = noise_guided * (std_cond / (std_guided + 1e-12))  # eq. 15
    return rescale * noise_rescaled + (1 - rescale) * noise_guided  # eq. 16


def same_noise(interval: tuple[int, int], schedule: NoiseSchedule, other: NoiseSchedule) -> tuple[int, int]:
    """The interval of `schedule` as one of the `other`: the t at which sigma / alpha is the same.

    >>> from minisd.diffusion.schedule import make_schedule
    >>> same_noise((300, 800), make_schedule("cosine"), make_schedule("flow"))
    (342, 756)
    """
    low, high = (round(other.level_of(schedule.level(t).ratio).t) for t in interval)
    return low, high


def join_batches(first: Any, second: Any) -> Any:
    """Concatenate two contexts along the batch: arrays (B, ...), or tuples and named tuples of such arrays.

    Raises:
        ValueError: the two differ in shape.
    """
    if isinstance(first, tuple):
        parts = [join_batches(a, b) for a, b in zip(first, second, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    if first.shape != second.shape:
        raise ValueError(
            f"guidance: wanted null_context and context of one shape, got {first.shape} and {second.shape}; "
            "repeat the empty prompt's embedding once for every sample"
        )
    return np.concatenate([first, second])


@dataclass
class ClassifierFreeGuidance:
    """A model without a context argument, (x_t, t) -> prediction, that follows `context` by guidance.

    Both predictions come from one call of `model(x_t, t, context)` on the doubled batch, the null half first.
    `interval` = (low, high) guides only where low <= t < high; elsewhere the model is asked once, as at scale 1.
    Leaving out the noisiest and the cleanest t keeps variety and saves time (Kynkaanniemi et al. 2024). `rescale` is
    the share of the added contrast that is taken back, see ``rescaled``.

    Shapes: x_t and prediction (B, H, W, C); t (B,); context and null_context arrays (B, ...) or tuples of them.

    Raises:
        ValueError: context and null_context differ in shape, or a number is out of its range.

    >>> model = lambda x_t, t, context: context * x_t
    >>> follow = ClassifierFreeGuidance(model, np.full((1, 1), 3.0), np.full((1, 1), 1.0), guidance_scale=2.0)
    >>> follow(np.ones((1, 1)), np.array([10]))
    array([[5.]])
    """

    model: Callable[[Array, Array, Any], Array]
    context: Any
    null_context: Any
    guidance_scale: float
    interval: tuple[float, float] = (0, float("inf"))
    rescale: float = 0.0
    both_contexts: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.guidance_scale):
            raise ValueError(f"guidance: wanted a finite guidance, such as 1.5, got {self.guidance_scale}")
        if not self.interval[0] <= self.interval[1]:
            raise ValueError(f"guidance: wanted an interval low, high with low <= high, got {self.interval}")
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"guidance: wanted a rescale from 0 to 1, got {self.rescale}")
        self.both_contexts = join_batches(self.null_context, self.context)

    def __call__(self, x_t: Array, t: Array) -> Array:
        low, high = self.interval
        scale = np.where((low <= t) & (t < high), self.guidance_scale, 1.0)  # (B,)
        if (scale == 1).all():
            return self.model(x_t, t, self.context)
        both = self.model(np.concatenate([x_t, x_t]), np.concatenate([t, t]), self.both_contexts)  # (2B, H, W, C)
        B = x_t.shape[0]
        same_for_all = (scale == scale[0]).all()  # as in sampling: then it is a plain number, on every device
        prediction = guided(both[B:], both[:B], per_sample(scale[0] if same_for_all else scale, x_t))
        return rescaled(prediction, both[B:], self.rescale) if self.rescale else prediction
