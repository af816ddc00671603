"""What a sampler is: a generator that walks x_t from noise to a picture, one noise level after another.

    def my_sampler(denoise, x_T, levels, fresh_noise, **its_own_options):
        x_t = x_T
        for level, level_prev in pairwise(levels):          # the last one is the clean picture: alpha 1, sigma 0
            x_0_pred, noise_pred = denoise(x_t, level)
            x_t = ...                                       # the paper's step from level to level_prev
            yield x_t, x_0_pred

A level is (t, alpha, sigma), and x_t = alpha x_0 + sigma noise there, so a sampler serves every schedule and every
spacing. One yield is one step. A method of higher order calls `denoise` more than once a step; a multi-step method
keeps its past predictions in local variables. Reading the model's prediction, clipping, guidance, random streams and
callbacks are not a sampler's business: sample() does them for all. Nor is inpainting: whoever wraps `denoise` so that
x_0_pred and noise_pred are the known ones in a part of the picture has it keep that part, whatever the sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from minisd.diffusion.schedule import Array, NoiseLevel

Denoise: TypeAlias = Callable[[Array, NoiseLevel], tuple[Array, Array]]  # (x_t, level) -> (x_0_pred, noise_pred)
FreshNoise: TypeAlias = Callable[[], Array]  # () -> noise like x_t, every sample's from its own random stream
Steps: TypeAlias = Iterator[tuple[Array, Array]]  # (x at level_prev, x_0_pred at level), once a step
Sampler: TypeAlias = Callable[..., Steps]  # (denoise, x_T, levels, fresh_noise, **its own options)
