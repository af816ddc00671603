"""Where drawings start: each at its own noise, or at noise that lies between two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minisd.autograd import Array
from minisd.diffusion.interpolation import slerp
from minisd.diffusion.samplers import initial_noise, sample_rngs


def start_noise(
    shape: Sequence[int],
    seed: int,
    places: range,
    *,
    variation: float | None = None,
    to_seed: int | None = None,
    way: Array | None = None,
) -> tuple[list[np.random.Generator], Array]:
    """The random streams of the pictures at `places`, which go on where a sampler draws fresh noise, and their noise.

    Picture i has the stream (seed, i). Variations, and pictures on a way, have picture 0's all together, so that they
    differ in nothing but what is varied.

    Args:
        variation: the share of picture i's own noise, on the sphere's way from picture 0's.
        to_seed: a second seed, whose picture 0 has the noise that the way leads to.
        way: how far along the pictures stand, 0 to 1, (N,); None if they are on no way.

    Shapes: shape (h, w, C); the noise (N, h, w, C), on the CPU.
    """
    N = len(places)
    if variation is None and way is None:
        rngs = sample_rngs(seed, N, first=places.start)
        return rngs, initial_noise(shape, rngs)
    rngs = [rng for _ in places for rng in sample_rngs(seed, 1)]
    noise = initial_noise(shape, rngs)
    if variation is not None:
        noise = slerp(noise, initial_noise(shape, sample_rngs(seed, N, first=places.start)), variation)
    if to_seed is not None:
        noise = slerp(noise, np.repeat(initial_noise(shape, sample_rngs(to_seed, 1)), N, axis=0), way)
    return rngs, noise
