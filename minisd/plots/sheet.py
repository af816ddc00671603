"""Sheets of pictures: all rows of one height, all letters of one size, as large as a slide has room for.

    name |    heading      heading      heading
         |  +---------+  +---------+  +---------+
    name |  |         |  |         |  |         |
         |  +---------+  +---------+  +---------+
         |    caption      a longer     caption
         |                 caption
         |  +---------+  +---------+  +---------+

The first lines of all captions of a row stand on one line, right under the pictures. All lengths are pixels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minisd.plots.lettering import load_font, wrapped, writable
from minisd.plots.png import save_png

_SLIDE = 1600, 900  # for the pictures; with captions they still fit on a screen of 1920 x 1080
_SMALLEST, _LARGEST = 56, 560  # a picture's side, unless it has more pixels
_TYPE_SIZES = 12, 20  # smaller letters cannot be read, larger ones outdo the pictures
_CAPTION_LINES = 4
_WHITE, _INK = 255, 0


def save_grid(
    path: Path | str,
    images: NDArray[np.uint8],
    columns: int | None = None,
    *,
    scale: int | None = None,
    margin: int | None = None,
    captions: Sequence[str] | None = None,
    headings: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Lay pictures out row by row on a white sheet.

    Shapes: images (N, H, W) uint8, 0 black and 255 white, or (N, H, W, 3) in red, green and blue.

    Args:
        columns: pictures a row; about as many as there are rows if not given.
        scale: each pixel becomes scale x scale pixels, unblurred; what a slide has room for if not given.
        margin: white around each picture; none around a single one, unless given.
        captions: one text per picture, under it.
        headings: one text per column, at its top.
        names: one text per row, to its left.
        about: what the file says of itself: see ``save_png``.

    Raises:
        ValueError: wrong shape or type, no picture, a size below 1, or not one text per picture, column or row.
        CheckpointError: the picture cannot be written.
    """
    from PIL import Image, ImageDraw

    colour = images.ndim == 4 and images.shape[3] == 3
    if not (images.ndim == 3 or colour) or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            "save_grid: wanted pictures (N, H, W) of uint8, or (N, H, W, 3), at least one, "
            f"got {images.shape} of {images.dtype}"
        )
    N, H, W = images.shape[:3]
    columns = math.ceil(N / math.isqrt(N)) if columns is None else min(columns, N)
    if columns < 1:
        raise ValueError(f"save_grid: {columns} columns do not make a sheet; wanted 1 or more")
    rows = math.ceil(N / columns)
    scale = largest_scale(H, W, rows, columns) if scale is None else scale
    if margin is None:
        margin = 0 if N == 1 and not (captions or headings or names) else max(2, W * scale // 24)
    if scale < 1 or margin < 0:
        raise ValueError(f"save_grid: scale {scale} and margin {margin} do not make a sheet")
    for what, texts, wanted in (("caption", captions, N), ("heading", headings, columns), ("name", names, rows)):
        if texts is not None and len(texts) != wanted:
            raise ValueError(f"save_grid: wanted {wanted} {what}{'s' * (wanted > 1)}, got {len(texts)}")

    font = _fitting_font(W * scale, captions or ())
    line, width, height = sum(font.getmetrics()), W * scale, H * scale

    def lines(texts: Sequence[str] | None, width: int = width, most: int = _CAPTION_LINES) -> list[list[str]]:
        return [wrapped(writable(text), width, font.getlength, most) for text in texts or ()]

    under, over = lines(captions), lines(headings)
    beside = lines(names, max(width, 8 * line), max(1, height // line))
    room_under, room_over = (line * max(map(len, texts), default=0) for texts in (under, over))
    room_under += line // 2 if under else 0
    room_over += line // 8 if over else 0
    room_beside = math.ceil(max((font.getlength(text) for lines in beside for text in lines), default=0))
    left, top = margin + room_beside + (margin if beside else 0), margin + room_over
    size = left + columns * (width + margin), top + rows * (height + room_under + margin)
    sheet = Image.new("RGB" if colour else "L", size, (_WHITE,) * 3 if colour else _WHITE)
    draw = ImageDraw.Draw(sheet)

    def write(lines: Sequence[str], x: float, y: float, anchor: str) -> None:
        for number, text in enumerate(lines):
            draw.text((x, y + number * line), text, fill=(_INK,) * 3 if colour else _INK, font=font, anchor=anchor)

    for column, texts in enumerate(over):
        write(texts, left + column * (width + margin) + width / 2, top - line // 8 - line * len(texts), "ma")
    for row, texts in enumerate(beside):
        middle = top + row * (height + room_under + margin) + height / 2
        write(texts, left - margin, middle - line * len(texts) / 2, "ra")
    for i, picture in enumerate(images):
        x = left + i % columns * (width + margin)
        y = top + i // columns * (height + room_under + margin)
        sheet.paste(Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1)), (x, y))
        if under:
            write(under[i], x + width / 2, y + height + line // 8, "ma")
    save_png(path, sheet, about)


def _fitting_font(width: int, captions: Sequence[str]) -> Any:
    """Letters in proportion to the pictures; a little smaller ones if that saves all rows a line."""
    smallest, largest = _TYPE_SIZES
    size = min(max(width // 12, smallest), largest)
    fonts = [load_font(each) for each in range(size, max(smallest, size - 4) - 1, -1)]
    texts = [writable(text) for text in dict.fromkeys(captions)]
    return min(
        fonts,  # the first of those that are equally good: the largest
        key=lambda font: max((len(wrapped(text, width, font.getlength, _CAPTION_LINES)) for text in texts), default=0),
    )


def save_strip(
    path: Path | str,
    frames: NDArray[np.uint8],
    labels: Sequence[str],
    *,
    scale: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Lay out how pictures emerge from noise: a row is one picture, a column one moment, named at its top.

    Shapes: frames (S, N, H, W) or (S, N, H, W, 3) uint8: S moments of N pictures; labels S texts, such as "t = 999".

    Raises:
        ValueError: wrong shape or type, or not one label per moment.
        CheckpointError: the picture cannot be written.
    """
    if frames.ndim not in (4, 5) or len(labels) != len(frames):
        raise ValueError(
            f"save_strip: wanted frames (S, N, H, W) and S labels, got {frames.shape} and {len(labels)} labels"
        )
    S, N, *size = frames.shape
    save_grid(path, frames.swapaxes(0, 1).reshape(N * S, *size), S, scale=scale, headings=labels, about=about)


def largest_scale(H: int, W: int, rows: int, columns: int) -> int:
    """How many times its size a picture is drawn, so that a sheet of them fills a slide and none is too small to see.

    >>> [largest_scale(28, 28, n, n) for n in (1, 2, 4, 8, 10, 100)]
    [20, 16, 8, 4, 3, 2]
    """
    room = min(_SLIDE[0] // (columns * W), _SLIDE[1] // (rows * H), _LARGEST // max(H, W))
    return max(room, math.ceil(_SMALLEST / max(H, W)))
