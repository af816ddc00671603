"""What belongs to a model besides its networks: the half of model.json that says how to draw with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from minisd_kernels.devices import device_of, to_device

from minisd.diffusion.prediction import PREDICTIONS
from minisd.diffusion.samplers import SAMPLERS
from minisd.diffusion.schedule import SCHEDULES, Array
from minisd.diffusion.spacing import SPACINGS
from minisd.models.checks import check, check_choice, check_whole, is_number, is_pair


@dataclass(frozen=True)
class ModelInfo:
    """What belongs to a model besides its networks.

    Attributes:
        scale_factor, shift_factor: the denoiser works on scale_factor times the VAE's latents less shift_factor;
            numbers, or one for each channel.
        clip_skip: the text encoder's layer whose tokens the denoiser reads, counted from the end.
        latent_size: height and width of the latents.
        words: the words of the captions it was trained on.
        guidance, steps, sampler, spacing: how it draws unless told otherwise.
        guidance_interval: guidance acts where low <= t < high. At the noisiest t it would make all pictures of a
            prompt alike, at the cleanest it does little (Kynkäänniemi et al. 2024).
        trained: how it was made: command, seed, steps, data, minutes.

    Raises:
        ValueError: a field of the wrong kind or out of range; it comes from a file, and no file is trusted.
    """

    scale_factor: float | tuple[float, ...]
    shift_factor: float | tuple[float, ...] = 0.0
    latent_size: tuple[int, int] = (7, 7)
    schedule: str = "cosine"
    timesteps: int = 1000
    prediction: str = "v"
    clip_skip: int = 2
    words: tuple[str, ...] = ()
    guidance: float = 1.5
    guidance_interval: tuple[int, int] = (300, 800)
    steps: int = 50
    sampler: str = "ddim"
    spacing: str = "trailing"
    trained: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, "scale_factor", "numbers from 1e-6 to 1e6", lambda x: _are_numbers(x, 1e-6, 1e6))
        check(self, "shift_factor", "numbers from -1e6 to 1e6", lambda x: _are_numbers(x, -1e6, 1e6))
        check(
            self,
            "latent_size",
            "two whole numbers from 1 to 4096",
            lambda x: is_pair(x) and 0 < min(x) <= max(x) <= 4096,
        )
        check_choice(self, "schedule", SCHEDULES)
        check_whole(self, "timesteps", most=100_000)
        check_choice(self, "prediction", PREDICTIONS)
        check_whole(self, "clip_skip")
        check(
            self,
            "words",
            "a list of words",
            lambda x: isinstance(x, tuple) and all(isinstance(word, str) for word in x),
        )
        check(self, "guidance", "a number from 0 to 1000", lambda x: is_number(x) and 0 <= x <= 1000)
        check(self, "guidance_interval", "two whole numbers, low <= high", lambda x: is_pair(x) and 0 <= x[0] <= x[1])
        check_whole(self, "steps", most=self.timesteps)
        check_choice(self, "sampler", SAMPLERS)
        check_choice(self, "spacing", SPACINGS)
        check(self, "trained", "names and values", lambda x: isinstance(x, dict))

    def scaled(self, z: Array) -> Array:
        """What the denoiser works on, of the VAE's latents (..., C), where these live."""
        return (z - _beside(z, self.shift_factor)) * _beside(z, self.scale_factor)

    def unscaled(self, z: Array) -> Array:
        """The VAE's latents, of what the denoiser works on.

        >>> info = ModelInfo(scale_factor=(2.0, 4.0), shift_factor=(1.0, 0.0))
        >>> z = np.array([[3.0, 5.0]], np.float32)
        >>> info.scaled(z).tolist(), info.unscaled(info.scaled(z)).tolist()
        ([[4.0, 20.0]], [[3.0, 5.0]])
        """
        return z / _beside(z, self.scale_factor) + _beside(z, self.shift_factor)


def _beside(z: Array, factor: float | tuple[float, ...]) -> Any:
    return to_device(np.array(factor, z.dtype), device_of(z)) if isinstance(factor, tuple) else z.dtype.type(factor)


def _are_numbers(value: Any, least: float, most: float) -> bool:
    each = value if isinstance(value, tuple) else (value,)
    return bool(each) and all(is_number(x) and least <= x <= most for x in each)
