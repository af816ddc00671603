"""Larger pictures by a chain of U-Nets (Ho et al. 2022, "Cascaded diffusion models"; Saharia et al. 2021, "SR3").

    28 x 28 --(U-Net)--> 56 x 56 --(the same U-Net)--> 112 x 112

The network is a diffusion model of the pictures of twice the side, which is shown the small picture besides:

    s fixed                          hint = sqrt(alpha_bar_s) small + sqrt(1 - alpha_bar_s) noise     augmentation
    x_T ~ N(0, 1), then in few steps   v = U-Net(x_t beside the hint, t, s)

The noise on the hint (there "non-truncated conditioning augmentation") covers what the first model does wrong: what
lies below it is not copied but drawn anew, and the network knows s, so that it knows how much to believe. Every 2 x 2
pixels are laid into channels, so that the network computes at the small picture's size, and the hint is one more.

Differs: Ho et al. have one network for every size, and enlarge the hint to the size of x_t. Here one network doubles
both sizes, for the strokes of a digit look alike at all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from minisd_kernels.devices import to_device, to_host

from minisd.autograd import Array, Tensor, no_grad
from minisd.diffusion.samplers import SAMPLERS, initial_noise, sample
from minisd.diffusion.schedule import SCHEDULES, NoiseSchedule, make_schedule
from minisd.diffusion.spacing import SPACINGS
from minisd.models.checks import check, check_choice, check_whole
from minisd.models.levels import Level
from minisd.models.time import time_embedding
from minisd.models.unet import UNet, UNetConfig
from minisd.pictures import to_bytes, to_unit_range
from minisd.resizing import depth_to_space

DOUBLINGS = 2  # that the network is trained for: 28 to 56, and 56 to 112
MOST_AUGMENTED = 300  # the largest s of the training

HIRES_UNET = UNetConfig(
    latent_channels=4,
    hint_channels=1,
    levels=(Level(32), Level(48), Level(64)),
    middle=Level(64),
    context_width=None,
    pooled_width=32,
    time_width=64,
)


@dataclass(frozen=True)
class HiresInfo:
    """What belongs to the network that doubles pictures, besides its weights.

    Attributes:
        augmentation: s, the time of the hint's noise when drawing.
        steps, sampler, spacing: how it draws.
        trained: how it was made.

    Raises:
        ValueError: a field of the wrong kind or out of range; it comes from a file, and no file is trusted.
    """

    schedule: str = "cosine"
    timesteps: int = 1000
    augmentation: int = 50
    steps: int = 8
    sampler: str = "ddim"
    spacing: str = "trailing"
    trained: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice(self, "schedule", SCHEDULES)
        check_whole(self, "timesteps", most=100_000)
        check_whole(self, "augmentation", least=0, most=self.timesteps - 1)
        check_whole(self, "steps", most=self.timesteps)
        check_choice(self, "sampler", SAMPLERS)
        check_choice(self, "spacing", SPACINGS)
        check(self, "trained", "names and values", lambda x: isinstance(x, dict))


class Upscaler:
    """The network that doubles the side of a picture, with its schedule.

    >>> upscaler = Upscaler(UNet(HIRES_UNET, rng=np.random.default_rng(0)), HiresInfo(steps=1))
    >>> upscaler.double(np.zeros((2, 28, 28), np.uint8), seed=0).shape
    (2, 56, 56)

    Raises:
        ValueError: a network that is made for other pictures.
    """

    def __init__(self, unet: UNet, info: HiresInfo) -> None:
        config = unet.config
        for name, wanted in (("latent_channels", 4), ("hint_channels", 1), ("context_width", None)):
            if (found := getattr(config, name)) != wanted:
                raise ValueError(f"hires: UNetConfig: {name}: wanted {wanted}, got {found}")
        if config.pooled_width is None or config.pooled_width % 2:
            raise ValueError(f"hires: UNetConfig: pooled_width: wanted an even number, got {config.pooled_width}")
        self.unet, self.info = unet, info
        self.schedule: NoiseSchedule = make_schedule(info.schedule, info.timesteps)

    def double(self, images: Array, *, seed: int, first: int = 0, steps: int | None = None) -> Array:
        """The same pictures at twice the side; picture i depends on (seed, first + i, its size) alone.

        Shapes: (N, H, W) uint8 -> (N, 2H, 2W) uint8.

        Args:
            steps: of the sampler, 1 to 1000; those of ``info`` if not given.
        """
        N, H, W = images.shape
        rngs = [np.random.default_rng([seed, first + i, H]) for i in range(N)]  # one more number than the first net's
        noise = initial_noise((H, W, 1), rngs)
        hint = to_device(
            self.schedule.add_noise(to_unit_range(images), noise, self.info.augmentation), self.unet.device
        )
        level = self.level_embedding(np.full(N, self.info.augmentation))

        def model(x_t: Array, t: Array) -> Array:
            with no_grad():
                return self.unet(Tensor(np.concatenate([x_t, hint], axis=-1)), t, pooled=level).data

        x_T = to_device(initial_noise((H, W, 4), rngs), self.unet.device)
        info = self.info
        x_0 = sample(
            model, x_T, self.schedule, sampler=info.sampler, steps=steps or info.steps, spacing=info.spacing,
            prediction="v", rngs=rngs, clip=1.0,
        )  # fmt: skip
        return to_bytes(depth_to_space(to_host(x_0)))

    def enlarge(self, images: Array, side: int, *, seed: int, first: int = 0, steps: int | None = None) -> Array:
        """Pictures of `side` pixels each way, doubled as often as it takes; else as ``double``.

        Shapes: (N, S, S) uint8 -> (N, side, side) uint8.

        Raises:
            ValueError: a side that no doubling leads to; the message names those that there are.
        """
        sides = sides_from(images.shape[1])
        if side not in sides:
            raise ValueError(f"wanted {' or '.join(map(str, sides))} pixels a side, got {side}")
        while images.shape[1] < side:
            images = self.double(images, seed=seed, first=first, steps=steps)
        return images

    def level_embedding(self, s: Array) -> Tensor:
        """What the network is told of the hint's noise, s (B,) in 0..T-1 -> (B, pooled width)."""
        width = self.unet.config.pooled_width
        assert width is not None
        return Tensor(time_embedding(s, width).astype(np.float32)).to(self.unet.device)


def sides_from(side: int) -> Sequence[int]:
    """The sides that a chain leads to.

    >>> sides_from(28)
    [28, 56, 112]
    """
    return [side * 2**doubled for doubled in range(DOUBLINGS + 1)]
