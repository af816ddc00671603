"""A picture that a drawing starts from: how much of it stays (image-to-image), and where (inpainting).

    image-to-image:  z_t = alpha encode(picture) + sigma noise, at the t that `strength` says; from there as always
    inpainting:      each predicted z_0 is decoded, the known pixels are laid over it, and it is encoded again

The first is SDEdit (Meng et al. 2022): noise drowns what is small first, so a little strength changes the stroke, and
much the digit. The second holds what is known in pixels, where a mask is exact: a latent sees a neighbourhood of
pixels, hidden ones with the known, and a mask among latents would show in seams. Hidden pixels are never encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from minisd_kernels.devices import namespace, to_device

from minisd.autograd import Array
from minisd.pictures import to_unit_range
from minisd.pipeline.model import Model

STRENGTH = 0.8  # of a picture without a mask, as in diffusers
RESAMPLE, SAMPLER = 5, "ddpm"  # with a mask: fresh noise in every step lets what is drawn move to where it fits


@dataclass(frozen=True)
class Given:
    """Pictures to start from, one for each that is drawn.

    Attributes:
        images: (N, H, W) or (N, H, W, 3) uint8.
        strength: 0 to 1, the share of the way that is drawn anew: 0 leaves all, 1 nothing, but for what a mask keeps.
        redrawn: (N, H, W) bool, where pixels are hidden; None for everywhere.
    """

    images: Array
    strength: float
    redrawn: Array | None

    @classmethod
    def of(
        cls, model: Model, count: int, image: Array | None, strength: float | None, mask_image: Array | None
    ) -> Given | None:
        """What ``Pipeline.draw`` was given, for `count` drawings of `model`; None if that is no picture.

        Raises:
            ValueError: a picture or a mask of another kind or size, a strength outside 0..1, or either of the two
                without a picture.
        """
        if image is None:
            if strength is not None or mask_image is not None:
                raise ValueError("draw: strength and mask_image say what becomes of a picture; give image, too")
            return None
        H, W, channels = model.picture_shape
        images = _each("image", image, count, (H, W, 3) if channels == 3 else (H, W), ("uint8",))
        if mask_image is None:
            strength, redrawn = STRENGTH if strength is None else strength, None
        else:
            mask = _each("mask_image", mask_image, count, (H, W), ("bool", "uint8"))
            strength, redrawn = 1.0 if strength is None else strength, mask if mask.dtype == bool else mask >= 128
            if not redrawn.any():
                raise ValueError(
                    "draw: mask_image hides no pixel, so that nothing would be drawn; "
                    "wanted True, or 128 and more, where to draw"
                )
        if not 0 <= strength <= 1:
            raise ValueError(f"draw: wanted a strength from 0 (leave the picture) to 1 (draw it anew), got {strength}")
        return cls(images, strength, redrawn)

    def start(self, model: Model, part: slice, noise: Array) -> tuple[Array, int | None]:
        """The latents that a drawing begins with, and their t; None for all noise."""
        if self.strength == 1:
            return noise, None
        t = max(0, round(model.schedule.steps * self.strength) - 1)
        return model.schedule.add_noise(model.encode(self.images[part]), noise, t), t

    def hold(self, model: Model, part: slice) -> Callable[[Array], Array] | None:
        """What puts the known pixels into each predicted z_0; None without a mask."""
        if self.redrawn is None:
            return None
        hidden = self.redrawn[part, ..., None]
        known, hidden = (to_device(x, model.device) for x in (to_unit_range(self.images[part]), hidden))
        xp = namespace(model.device)
        return lambda z_0: model.to_latents(xp.where(hidden, model.to_pixels(z_0).clip(-1, 1), known))

    def paste(self, part: slice, drawn: Array) -> Array:
        """The drawings with the known pixels as they were, to the byte."""
        if self.redrawn is None:
            return drawn
        redrawn = self.redrawn[part]
        return np.where(redrawn if drawn.ndim == 3 else redrawn[..., None], drawn, self.images[part])


def steps_from(steps: int, strength: float) -> int:
    """How many of a whole way's steps are taken from there: as in diffusers, at least one.

    >>> steps_from(50, 0.6), steps_from(50, 0)
    (30, 1)
    """
    return max(1, round(steps * strength))


def _each(name: str, pictures: Array, count: int, shape: tuple[int, ...], dtypes: tuple[str, ...]) -> Array:
    """The one picture of `shape` for each of `count` drawings, or one for each of them as given."""
    pictures = np.asarray(pictures)
    if str(pictures.dtype) not in dtypes or pictures.shape not in (shape, (count, *shape)):
        raise ValueError(
            f"draw: {name}: wanted {' or '.join(dtypes)} of shape {shape}, or {(count, *shape)}, one for each picture; "
            f"got {pictures.dtype} of shape {pictures.shape}"
        )
    return np.broadcast_to(pictures, (count, *shape))
