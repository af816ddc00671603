"""From noise to pictures: sample() drives any sampler of SAMPLERS with any model.

Every sample has a random stream of its own, drawn on the CPU: the same seed gives the same picture, whatever the batch
it is in. A new sampler is one file here (``interface.py`` says what it looks like) and one line in SAMPLERS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from minisd_kernels.devices import device_of, to_device

from minisd.diffusion.inpainting import back_up, stretches
from minisd.diffusion.prediction import x_0_and_noise
from minisd.diffusion.samplers.ddim import ddim
from minisd.diffusion.samplers.ddpm import ddpm
from minisd.diffusion.samplers.dpm_solver import dpm_solver
from minisd.diffusion.samplers.dpm_solver_sde import dpm_solver_sde
from minisd.diffusion.samplers.euler import euler
from minisd.diffusion.samplers.euler_ancestral import euler_ancestral
from minisd.diffusion.samplers.heun import heun
from minisd.diffusion.samplers.interface import Sampler
from minisd.diffusion.samplers.lms import lms
from minisd.diffusion.samplers.unipc import unipc
from minisd.diffusion.schedule import Array, NoiseLevel, NoiseSchedule
from minisd.diffusion.spacing import make_levels

SAMPLERS: dict[str, Sampler] = {
    "ddpm": ddpm,
    "ddim": ddim,
    "euler": euler,
    "euler_ancestral": euler_ancestral,
    "heun": heun,
    "lms": lms,
    "dpm_solver": dpm_solver,
    "dpm_solver_sde": dpm_solver_sde,
    "unipc": unipc,
}


def sample_rngs(seed: int, count: int, first: int = 0) -> list[np.random.Generator]:
    """Random streams of the samples first .. first+count-1 under `seed`.

    >>> one, two = sample_rngs(seed=7, count=2)
    >>> bool(two.standard_normal() == sample_rngs(seed=7, count=1, first=1)[0].standard_normal())
    True
    """
    return [np.random.default_rng([seed, index]) for index in range(first, first + count)]


def initial_noise(
    shape: Sequence[int], rngs: Sequence[np.random.Generator], dtype: npt.DTypeLike = np.float32
) -> npt.NDArray[Any]:
    """Draw x_T ~ N(0, 1), each sample from its own stream; drawn in float64, so float32 gives the same picture.

    Shapes: shape (H, W, C) of one sample; result (B, H, W, C) with B = len(rngs).

    >>> initial_noise((7, 7, 4), sample_rngs(seed=0, count=2)).shape
    (2, 7, 7, 4)
    """
    return np.stack([rng.standard_normal(tuple(shape)) for rng in rngs]).astype(dtype)


def sample(
    model: Callable[[Array, Array], Array],
    x_T: Array,
    schedule: NoiseSchedule,
    *,
    sampler: str | Sampler = "ddim",
    steps: int = 50,
    spacing: str = "trailing",
    prediction: str = "noise",
    rngs: Sequence[np.random.Generator] | None = None,
    t_start: int | None = None,
    clip: float | None = None,
    hold: Callable[[Array], Array] | None = None,
    resample: int = 1,
    callback: Callable[[int, float, Array, Array], None] | None = None,
    **options: Any,
) -> Array:
    """Turn noise into pictures: ask `model` at `steps` times t and let `sampler` take each step.

    Args:
        model: (x_t, t (B,)) -> what it was trained to predict, shaped as x_t; t are integers, but for some spacings.
        x_T: the start, (B, H, W, C): initial_noise(), or x_0 with noise added for image-to-image (then say `t_start`).
        sampler: a name in SAMPLERS, or a function with the same interface.
        spacing: which times are visited, one of SPACINGS.
        prediction: what the model predicts, one of PREDICTIONS.
        rngs: a stream per sample, as x_T was drawn from; needed by samplers that draw fresh noise.
        t_start: the t of x_T; None is T-1, all noise.
        clip: keep x_0_pred in [-clip, clip]: 1 for pixels; None, no clipping, for latents, which have no such bounds.
        hold: what is known of x_0: puts it into each x_0_pred, as inpainting does (inpainting.py).
        resample: how often each stretch of the way is gone, with noise added back up between (RePaint, inpainting.py).
        callback: called after each step as callback(step_index, t, x_t, x_0_pred), with the x_t the step started from.
        options: the sampler's own, as eta for ddim.

    Raises:
        ValueError: an unknown sampler, spacing or prediction, impossible steps or t_start, rngs missing or too few, or
            a model whose prediction is not shaped as x_t.

    >>> no_noise = lambda x_t, t: 0 * x_t
    >>> x_T = initial_noise((8, 8, 1), sample_rngs(seed=0, count=3))
    >>> from minisd.diffusion.schedule import make_schedule
    >>> sample(no_noise, x_T, make_schedule("cosine"), steps=4, clip=1.0).shape
    (3, 8, 8, 1)
    """
    if isinstance(sampler, str):
        if sampler not in SAMPLERS:
            raise ValueError(f"no sampler is called {sampler!r}; choose one of {', '.join(SAMPLERS)}")
        name, walk = sampler, SAMPLERS[sampler]
    else:
        name, walk = getattr(sampler, "__name__", "this sampler"), sampler
    B = x_T.shape[0]
    if rngs is not None and len(rngs) != B:
        raise ValueError(
            f"sample: wanted one random stream per sample, {B}, got {len(rngs)}; use sample_rngs(seed, {B})"
        )
    levels = make_levels(schedule, steps, spacing=spacing, t_start=t_start)

    def denoise(x_t: Array, level: NoiseLevel) -> tuple[Array, Array]:
        predicted = model(x_t, np.full(B, level.t))
        if predicted.shape != x_t.shape:
            raise ValueError(f"sample: wanted the model's prediction shaped as x_t, {x_t.shape}, got {predicted.shape}")
        x_0_pred, noise_pred = x_0_and_noise(prediction, predicted, x_t, level.alpha, level.sigma)
        if clip is not None:
            x_0_pred = x_0_pred.clip(-clip, clip)
        if hold is not None:
            x_0_pred = hold(x_0_pred)
        if clip is not None or hold is not None:
            noise_pred = (x_t - level.alpha * x_0_pred) / level.sigma  # the two must still add up to x_t
        return x_0_pred, noise_pred

    def fresh_noise() -> Array:
        if rngs is None:
            raise ValueError(f"sample: {name} draws fresh noise; pass rngs=sample_rngs(seed, {B})")
        return to_device(initial_noise(x_T.shape[1:], rngs, x_T.dtype), device_of(x_T))

    x_t, at, index = x_T, levels[0], 0
    for stretch in stretches(levels, resample):
        if stretch[0] != at:
            x_t = back_up(x_t, at, stretch[0], fresh_noise())
        for level, (x_prev, x_0_pred) in zip(
            stretch, walk(denoise, x_t, stretch, fresh_noise, **options), strict=False
        ):
            if callback is not None:
                callback(index, level.t, x_t, x_0_pred)
            x_t, index = x_prev, index + 1
        at = stretch[-1]
    return x_t
