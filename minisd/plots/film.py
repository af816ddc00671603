"""Pictures one after the other, there and back: a GIF."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minisd.checkpoint import write_atomically
from minisd.plots.sheet import largest_scale

_SECONDS = 2.0  # for the way there, and as many for the way back
_RESTS = 4  # frames at both ends, where one looks longest


def save_film(path: Path | str, images: NDArray[np.uint8]) -> None:
    """The pictures as a GIF that never ends: from the first to the last and back.

    Shapes: images (N, H, W) or (N, H, W, 3) uint8.

    Raises:
        CheckpointError: the file cannot be written.
    """
    from PIL import Image

    scale = min(10, largest_scale(images.shape[1], images.shape[2], rows=1, columns=1))
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    frames = [Image.fromarray(picture) for picture in [*large, *large[-2:0:-1]]]
    times = np.full(len(frames), 1000 * _SECONDS / len(images))
    times[[0, len(images) - 1]] *= _RESTS
    file = io.BytesIO()
    frames[0].save(
        file, "GIF", save_all=True, append_images=frames[1:], duration=times.round().astype(int).tolist(), loop=0
    )
    write_atomically(path, file.getvalue())
