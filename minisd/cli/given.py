"""Pictures that a drawing starts from, as people have them: read to the model's size, and to its light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from minisd.data.picture_file import picture_size, read_picture
from minisd.pictures import dark_on_light

if TYPE_CHECKING:
    from minisd.autograd import Array
    from minisd.pipeline import Pipeline


def read_init(path: Path, pipeline: Pipeline, invert: bool | None) -> Array:
    """The picture in a file as the model draws such, (H, W) or (H, W, 3) uint8; says so where it was inverted.

    Args:
        invert: dark for light; None if the picture is dark on light and the model draws light on dark.

    Raises:
        DataError: no picture that can be read.
    """
    H, W, channels = pipeline.picture_shape
    image = _read(path, (H, W), colour=channels == 3)
    if invert is None and (invert := pipeline.light_on_dark and dark_on_light(image)):
        click.echo(
            f"{path} is dark on light: it was inverted, as this model draws light on dark (--no-invert leaves it)",
            err=True,
        )
    return 255 - image if invert else image


def read_mask(path: Path, init: Path, pipeline: Pipeline) -> Array:
    """The mask in a file, (H, W) bool: True where it is white, which is drawn anew.

    Raises:
        click.BadParameter: it is of another size than the picture, or black everywhere.
        DataError: no picture that can be read.
    """
    H, W, _ = pipeline.picture_shape
    (h, w), (h_init, w_init) = picture_size(path), picture_size(init)
    if (h, w) not in ((h_init, w_init), (H, W)):
        raise click.BadParameter(
            f"{path} has {w} x {h} pixels, and {init} has {w_init} x {h_init}; paint the mask over the picture.",
            param_hint="--mask",
        )
    mask = _read(path, (H, W), colour=False) >= 128
    if not mask.any():
        raise click.BadParameter(
            f"{path} is black everywhere, so that nothing would be drawn; paint white what is to be drawn anew.",
            param_hint="--mask",
        )
    return mask


def _read(path: Path, size: tuple[int, int], *, colour: bool) -> Array:
    """The picture at this size; one that minisd drew, each pixel a square, as it was drawn."""
    pixels = read_picture(path, colour=colour).pixels
    step = pixels.shape[0] // size[0]
    if step > 0 and pixels.shape[:2] == (step * size[0], step * size[1]):
        small = pixels[::step, ::step]
        if (small.repeat(step, axis=0).repeat(step, axis=1) == pixels).all():
            return small
    return read_picture(path, size, colour=colour).pixels
