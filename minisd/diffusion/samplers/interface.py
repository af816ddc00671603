"""What a sampler is: a generator that walks x_t from noise to a picture, one t after another.

    def my_sampler(denoise, x_T, schedule, timesteps, fresh_noise, **its_own_options):
        x_t = x_T
        for t, t_prev in pairwise([*timesteps, -1]):        # -1: the clean picture, alpha_bar = 1
            x_0_pred, noise_pred = denoise(x_t, t)
            x_t = ...                                       # the paper's step from t to t_prev
            yield x_t, x_0_pred

One yield is one step. A method of higher order calls `denoise` more than once a step; a multi-step method keeps
its past predictions in local variables. Reading the model's prediction, clipping, guidance, random streams and
callbacks are not a sampler's business: sample() does them for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from minisd.diffusion.schedule import Array

Denoise: TypeAlias = Callable[[Array, int], tuple[Array, Array]]  # (x_t, t) -> (x_0_pred, noise_pred)
FreshNoise: TypeAlias = Callable[[], Array]  # () -> noise like x_t, every sample's from its own random stream
Steps: TypeAlias = Iterator[tuple[Array, Array]]  # (x at t_prev, x_0_pred at t), once a step
Sampler: TypeAlias = Callable[..., Steps]  # (denoise, x_T, schedule, timesteps, fresh_noise, **its own options)
