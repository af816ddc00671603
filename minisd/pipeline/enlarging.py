"""Three ways from a drawing to a larger one. The word Hi-Res means either of the first two.

    chain      a second U-Net draws the picture of twice the side, told the small one         (Ho et al. 2022)
    img2img    the picture is enlarged, given some noise, and drawn to the end by the same networks, which are
               convolutional and take any size                                               (Meng et al. 2022)
    bicubic    the picture is enlarged and no more: what the others are measured against

The second way serves Stable Diffusion, whose network has seen details of every size. One that was trained on 28 x 28
pixels knows strokes of two or three pixels: at 112 x 112 it keeps the digit and lets a stroke of ten crumble into such,
and a third of the ink is gone (`minisd hires` measures it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from minisd_kernels.devices import to_device

from minisd.autograd import Array
from minisd.diffusion.guidance import ClassifierFreeGuidance
from minisd.diffusion.samplers import initial_noise, sample
from minisd.hires import sides_from
from minisd.pipeline.given import Given, steps_from
from minisd.pipeline.hearing import hear
from minisd.resizing import bicubic

if TYPE_CHECKING:
    from minisd.pipeline import Pipeline

STRENGTH = 0.3  # of img2img
BATCH = 25  # pictures at a time: at 112 x 112 each has 784 latent pixels that attend to each other


def enlarge(
    pipeline: Pipeline,
    images: Array,
    prompts: Sequence[str],
    *,
    size: int,
    seed: int,
    hires: str = "chain",
    watch: Callable[[int], object] = lambda count: None,
) -> Array:
    """Drawings with `size` pixels a side; picture i depends on (seed, i) and itself alone.

    Shapes: images (N, S, S) uint8 -> (N, size, size) uint8.

    Args:
        watch: is told how many pictures have become large, again and again.

    Raises:
        ValueError: as ``check_size``.
    """
    check_size(pipeline, size, hires)
    if size == images.shape[1]:
        return images
    large = []
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        large.append(WAYS[hires](pipeline, images[part], prompts[part], size, seed, start))
        watch(len(large[-1]))
    return np.concatenate(large)


def by_chain(pipeline: Pipeline, images: Array, prompts: Sequence[str], size: int, seed: int, first: int = 0) -> Array:
    """Shapes, of all ways: images (N, S, S) uint8 -> (N, size, size) uint8."""
    assert pipeline.hires is not None, "check_size came before"
    return pipeline.hires.enlarge(images, size, seed=seed, first=first)


def by_img2img(
    pipeline: Pipeline,
    images: Array,
    prompts: Sequence[str],
    size: int,
    seed: int,
    first: int = 0,
    strength: float = STRENGTH,
) -> Array:
    """The enlarged picture under the noise of t = strength T, from where the first model draws on: see given.py."""
    info, side, N = pipeline.info, size // pipeline.vae.config.factor, len(images)
    given = Given(by_bicubic(pipeline, images, prompts, size, seed), strength, None)
    rngs = [np.random.default_rng([seed, first + i, size]) for i in range(N)]
    noise = initial_noise((side, side, pipeline.vae.config.latent_channels), rngs)
    z_t, t_start = given.start(pipeline, slice(N), to_device(noise, pipeline.device))
    told, untold = hear(pipeline, prompts, None), hear(pipeline, [""] * N, None)
    z_0 = sample(
        ClassifierFreeGuidance(pipeline.predict, told, untold, info.guidance, interval=info.guidance_interval),
        z_t,
        pipeline.schedule,
        sampler=info.sampler,
        steps=steps_from(info.steps, strength),
        spacing=info.spacing,
        prediction=info.prediction,
        rngs=rngs,
        t_start=t_start,
    )
    return pipeline.decode(z_0)


def by_bicubic(
    pipeline: Pipeline, images: Array, prompts: Sequence[str], size: int, seed: int, first: int = 0
) -> Array:
    return np.rint(bicubic(images, size // images.shape[1]).clip(0, 255)).astype(np.uint8)


WAYS: dict[str, Callable[[Pipeline, Array, Sequence[str], int, int, int], Array]] = {
    "chain": by_chain,
    "img2img": by_img2img,
    "bicubic": by_bicubic,
}


def check_size(pipeline: Pipeline, size: int | None, hires: str = "chain") -> None:
    """Can pictures be drawn with `size` pixels a side? None, as many as the model's own, always can.

    Raises:
        ValueError: no; the message says what to do.
    """
    own, _, channels = pipeline.picture_shape
    sides = sides_from(own)
    if hires not in WAYS:
        raise ValueError(f"no way to more pixels is called {hires!r}; choose one of {', '.join(WAYS)}")
    if size not in (None, *sides):
        raise ValueError(f"wanted {', '.join(map(str, sides[:-1]))} or {sides[-1]} pixels a side, got {size}")
    if size in (None, own):
        return
    if channels != 1:
        raise ValueError("only grey pictures can be drawn larger, and this model draws in colour")
    if hires == "chain" and pipeline.hires is None:
        train = "train one with: minisd train --stage hires --model FOLDER"
        raise ValueError(
            f"this model draws {own} x {own} and has no network that goes on to {size} x {size}; "
            + (train if own == 28 else "minisd trains such for 28 x 28 alone; take another way: img2img or bicubic")
        )
