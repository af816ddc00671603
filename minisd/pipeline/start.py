"""Where drawings start: each at its own noise, or at noise that lies between two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minisd.autograd import Array
from minisd.diffusion.interpolation import slerp
from minisd.diffusion.samplers import initial_noise, sample_rngs


def way_to(to: str | None, to_seed: int | None, count: int) -> Array:
    """How far along each of `count` pictures stands on the way to another prompt or seed, 0 to 1; (0,) if on none.

    Raises:
        ValueError: one picture alone makes no way.
    """
    if to is None and to_seed is None:
        return np.empty(0)
    if count < 2:
        raise ValueError("draw: the way to another prompt or seed takes 2 pictures or more, such as num=8")
    return np.linspace(0, 1, count)


def start_noise(
    shape: Sequence[int], seed: int, places: range, variation: float | None, to_seed: int | None, way: Array
) -> tuple[list[np.random.Generator], Array]:
    """The random streams of the pictures at `places`, which go on where a sampler draws fresh noise, and their noise.

    Picture i has the stream (seed, i). Variations, and pictures on a way, have picture 0's all together, so that they
    differ in nothing but what is varied.

    Args:
        variation: the share of picture i's own noise, on the sphere's way from picture 0's; None for all of it.
        to_seed: a second seed, whose picture 0 has the noise that the way leads to.
        way: how far along the pictures stand, 0 to 1, (N,); empty if they are on no way.

    Shapes: shape (h, w, C); the noise (N, h, w, C), on the CPU.

    Raises:
        ValueError: a seed below 0, or a variation outside 0..1.
    """
    for name, number in (("seed", seed), ("to_seed", to_seed)):
        if number is not None and number < 0:
            raise ValueError(f"draw: {name}: wanted a whole number from 0, got {number}")
    if variation is not None and not 0 <= variation <= 1:
        raise ValueError(f"draw: wanted a variation from 0 (all alike) to 1 (noise of their own), got {variation}")
    N = len(places)
    own = sample_rngs(seed, N, first=places.start)
    if variation is None and not len(way):
        return own, initial_noise(shape, own)
    rngs = [rng for _ in places for rng in sample_rngs(seed, 1)]
    noise = initial_noise(shape, rngs)
    if variation is not None:
        noise = slerp(noise, initial_noise(shape, own), variation)
    if to_seed is not None:
        noise = slerp(noise, np.repeat(initial_noise(shape, sample_rngs(to_seed, 1)), N, axis=0), way)
    return rngs, noise
