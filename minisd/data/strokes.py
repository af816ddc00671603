"""Digits drawn by code: a data set that needs no download, and whose thickness and slant are known exactly.

A digit is a few pen strokes, each a smooth curve through control points. The points are jittered, the figure is sheared
until its stems have the wanted slant, and fitted, as MNIST's digits were, into a box of 20 pixels whose centre of mass
lies in the middle of 28 x 28; the ink of a pixel follows from its distance to the curve.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minisd.data.dataset import DataSet, Source, Split
from minisd.data.digits import DigitSet
from minisd.data.morphology import slant

SIZE, BOX = 28, 20

# digit -> ways to write it -> strokes -> control points "x y", x right, y down, in hundredths of the height.
# A stroke that ends where it began is a loop.
SKELETONS: dict[int, tuple[tuple[str, ...], ...]] = {
    0: (("30 0, 6 22, 0 52, 10 86, 30 100, 52 84, 60 50, 52 16, 30 0",),),
    1: (
        ("30 0, 30 50, 30 100",),
        (
            "30 0, 30 50, 30 100",
            "12 20, 30 0",
        ),
    ),
    2: (
        (
            "2 24, 13 6, 33 0, 55 10, 57 32, 40 60, 2 98",
            "2 98, 35 96, 66 96",
        ),
        ("4 20, 15 4, 36 0, 56 14, 52 40, 32 72, 10 97, -6 86, 8 71, 34 88, 56 100, 74 90",),
    ),
    3: (
        (
            "4 12, 18 2, 38 1, 53 13, 50 32, 36 43, 22 47",
            "22 47, 44 50, 60 66, 56 87, 36 100, 15 98, 0 88",
        ),
    ),
    4: (
        (
            "10 0, 5 25, 2 50",
            "2 50, 30 53, 58 50",
            "54 2, 53 50, 50 100",
        ),
        (
            "46 0, 22 34, 0 64",
            "0 64, 35 65, 66 63",
            "46 0, 46 50, 46 100",
        ),
    ),
    5: (
        (
            "60 0, 38 2, 16 2",
            "16 2, 12 22, 9 42",
            "9 42, 30 37, 52 48, 58 70, 46 92, 24 100, 0 92",
        ),
    ),
    6: (("46 0, 24 18, 8 45, 3 74, 16 97, 40 98, 57 80, 49 58, 28 51, 5 68",),),
    7: (
        (
            "0 4, 30 3, 60 0",
            "60 0, 40 45, 26 100",
        ),
        (
            "0 4, 30 3, 60 0",
            "60 0, 40 45, 26 100",
            "18 50, 38 48, 58 46",
        ),
    ),
    8: (("30 46, 8 34, 7 12, 30 0, 53 12, 51 33, 30 46, 5 62, 2 86, 30 100, 58 86, 54 63, 30 46",),),
    9: (
        (
            "54 24, 44 3, 20 0, 1 20, 7 43, 29 49, 48 40, 54 24",
            "56 12, 55 45, 52 72, 46 100",
        ),
    ),
}


class StrokeSet(NamedTuple):
    """Drawn digits: images uint8 (N, H, W), labels (N,), thickness (N,) in pixels of 28, slant (N,) in degrees."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    thickness: NDArray[np.float64]
    slant: NDArray[np.float64]


def draw_strokes(count: int, seed: int, size: int = SIZE) -> StrokeSet:
    """`count` drawn digits; the i-th depends on the seed and i alone, not on the count.

    Another `size` than 28 shows the same digits larger or smaller, as sharp: what grows is the drawing, not the pixels.

    Thickness and slant are spread as MNIST's: log-normal about 2.55 px, and normal about 10.5 degrees with deviation
    14.8. The slant is the one of `morphology.slant`: each skeleton is first sheared until its own stems are upright.

    >>> digits = draw_strokes(3, seed=0)
    >>> digits.images.shape, digits.images.dtype, digits.labels.shape
    ((3, 28, 28), dtype('uint8'), (3,))
    """
    images = np.zeros((count, size, size), np.uint8)
    labels = np.zeros(count, np.int64)
    thickness, lean = np.zeros(count), np.zeros(count)
    for i in range(count):
        rng = np.random.default_rng((seed, i))
        labels[i] = rng.integers(10)
        thickness[i] = np.clip(np.exp(rng.normal(np.log(2.55), 0.25)), 1.4, 4.2)
        lean[i] = np.clip(rng.normal(10.5, 14.8), -30.0, 42.0)
        ways = SKELETONS[int(labels[i])]
        ends = _skeleton(ways[rng.integers(len(ways))], rng)
        ends = _upright(ends, thickness[i], rng)
        images[i] = _ink(_place(ends, thickness[i], lean[i], rng), thickness[i], size)
    return StrokeSet(images, labels, thickness, lean)


# Points are complex numbers x + iy; a figure is the starts and the ends of its S segments, (2, S).


def _skeleton(strokes: tuple[str, ...], rng: np.random.Generator) -> NDArray[np.complex128]:
    """The segments of a digit whose inner control points are jittered; ends stay, because strokes meet there."""
    width = rng.uniform(0.95, 1.3)
    pieces = []
    for stroke in strokes:
        xy = np.array([point.split() for point in stroke.split(",")], np.float64) / 100
        xy[1:-1] += rng.normal(0, 0.022, (len(xy) - 2, 2)) if len(xy) > 2 else 0
        curve = _smooth(width * xy[:, 0] + 1j * xy[:, 1])
        pieces.append(np.stack([curve[:-1], curve[1:]]))
    return np.concatenate(pieces, 1)


def _smooth(points: NDArray[np.complex128], steps: int = 4) -> NDArray[np.complex128]:
    """A Catmull-Rom curve through the points, `steps` segments between neighbours (Catmull & Rom 1974)."""
    if points[0] == points[-1]:
        before, after = points[-2], points[1]
    else:
        before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    p = np.concatenate([[before], points, [after]])
    p0, p1, p2, p3 = p[:-3], p[1:-2], p[2:-1], p[3:]
    t = np.arange(steps)[:, None] / steps
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.append(curve.T.ravel(), points[-1])


def _upright(ends: NDArray[np.complex128], thickness: float, rng: np.random.Generator) -> NDArray[np.complex128]:
    """The figure sheared so that the slant of its stems is 0: it is drawn once as it is, and measured."""
    own = slant(_ink(_place(ends, thickness, 0.0, rng), thickness)[None])[0]
    return _sheared(ends, -own)


def _sheared(ends: NDArray[np.complex128], degrees: float) -> NDArray[np.complex128]:
    """The figure sheared to the right, above more than below."""
    return ends - np.tan(np.deg2rad(degrees)) * ends.imag


def _place(
    ends: NDArray[np.complex128], thickness: float, degrees: float, rng: np.random.Generator
) -> NDArray[np.complex128]:
    """The figure sheared by so many degrees, scaled into the box and centred, in pixels."""
    ends = _sheared(ends, degrees)
    centre = np.average(ends.mean(0), weights=np.abs(ends[1] - ends[0]))
    x, y = (ends - centre).real, (ends - centre).imag
    fit = (BOX - thickness) / max(np.ptp(x), np.ptp(y))
    frame = (SIZE / 2 - 1.5 - thickness / 2) / max(np.abs(x).max(), np.abs(y).max())  # no ink at the image's edge
    scale = min(fit * rng.uniform(0.92, 1.0), frame)
    shift = (SIZE - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    placed: NDArray[np.complex128] = scale * x + shift[0] + 1j * (scale * y + shift[1])
    return placed


def _ink(ends: NDArray[np.complex128], thickness: float, size: int = SIZE) -> NDArray[np.uint8]:
    """Grey levels of round strokes: full ink to half a pixel inside the border, none from half a pixel outside it.

    All is measured in pixels of 28 x 28; each of the picture's own pixels is `one` of them wide.

    Morpho-MNIST measures to the centre of the first sub-pixel outside the stroke, which adds 1/8 pixel to a thickness
    on average; so the pen is that much finer.
    """
    x, y = (part.astype(np.float32)[:, :, None, None] for part in (ends.real, ends.imag))
    one = SIZE / size
    pixel = np.arange(size, dtype=np.float32) * np.float32(one) + np.float32((one - 1) / 2)
    dx, dy = pixel - x[0], pixel[:, None] - y[0]  # (S, 1, W), (S, H, 1)
    ux, uy = x[1] - x[0], y[1] - y[0]
    square = ux * ux + uy * uy + 1e-12
    t = np.clip(dx * (ux / square) + dy * (uy / square), 0, 1)  # a segment's nearest point is start + t (end - start)
    distance = np.sqrt(((dx - t * ux) ** 2 + (dy - t * uy) ** 2).min(0))
    ink: NDArray[np.float32] = 255 * np.clip((thickness - 1 / 8) / 2 / one + 0.5 - distance / np.float32(one), 0, 1)
    return np.rint(ink).astype(np.uint8)


def _load(split: Split, source: Source) -> DigitSet:
    """Drawn on the spot: 20,000 to train with, and 2,000 others to test."""
    count, seed = (20_000, 0) if split == "train" else (2_000, 1)
    strokes = draw_strokes(count, seed)
    return DigitSet(strokes.images, strokes.labels, strokes)


STROKES = DataSet("digits drawn by code", _load, folder="none", measured="digits")
