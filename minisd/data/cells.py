"""Cells under a microscope, drawn by code: many of them touch, and every cell is known.

A cell is a blob around a centre c: its border lies at distance r(angle) from it, a smooth closed curve, and

    s(x) = r(angle) - |x - c|

is the depth of x below that border. A pixel belongs to the cell in which it lies deepest, so two blobs that overlap
meet in a line, as cells do that grow against each other; there the depth below the common border is (s_1 - s_2) / 2.
What the camera sees follows from the depth: a thin dark membrane, a body with a texture and a nucleus, a halo around.
The membrane's middle belongs to no cell: in the truth, one or two pixels of ground part the cells that touch.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minisd.data.components import connected_components

_MARGIN = 24  # cells are drawn this far beyond the picture, so that its edge cuts some of them
_RADIUS = (9.0, 17.0)  # pixels
_BUMPS = (0.03, 0.05, 0.08, 0.2)  # the largest a_k of an outline, k = 5, 4, 3, 2
_MEMBRANE = 0.75  # half the width, in pixels, of the ground between cells that touch
_HALO = 10  # pixels; beyond it a cell leaves no trace
_SMALLEST = 12  # pixels; fewer, cut off by the picture's edge, cannot be told from noise

Grey = NDArray[np.floating[Any]]


class CellSet(NamedTuple):
    """Drawn cells: images uint8 (N, H, W), instances int32 (N, H, W): 0 ground, 1, 2, ... the cells of a picture."""

    images: NDArray[np.uint8]
    instances: NDArray[np.int32]


def draw_cells(count: int, seed: int, size: int = 256) -> CellSet:
    """`count` pictures of size x size pixels; the i-th depends on the seed and i alone, not on the count.

    A cell is one connected component, and no pixel of it has a pixel of another one beside, above or below it.

    >>> cells = draw_cells(2, seed=0, size=64)
    >>> cells.images.shape, cells.images.dtype, cells.instances.dtype
    ((2, 64, 64), dtype('uint8'), dtype('int32'))
    """
    images, instances = np.zeros((count, size, size), np.uint8), np.zeros((count, size, size), np.int32)
    for i in range(count):
        rng = np.random.default_rng((seed, i))
        images[i], instances[i] = _picture(size, rng)
    return CellSet(images, instances)


def _picture(size: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    canvas = size + 2 * _MARGIN
    centres, radii = _places(canvas, rng)
    owner, depth, nucleus = _territories(canvas, centres, radii, rng)
    seen = slice(_MARGIN, _MARGIN + size)
    image = _photograph(owner, depth, nucleus, len(radii), rng)[seen, seen]
    return image, _cells(depth[seen, seen] >= _MEMBRANE)


def _places(canvas: int, rng: np.random.Generator) -> tuple[NDArray[np.complex128], Grey]:
    """Centres x + iy and mean radii. Most cells are put down beside another one: so they lie in clumps, and touch."""
    crowd = rng.uniform(0.5, 1.0)  # of the picture's area, roughly
    wanted = crowd * canvas**2 / (np.pi * np.mean(_RADIUS) ** 2)
    centres, radii = np.zeros(0, np.complex128), np.zeros(0)
    for _ in range(int(12 * wanted)):
        radius = rng.uniform(*_RADIUS)
        if len(radii) and rng.random() < 0.93:
            beside = rng.integers(len(radii))
            away = rng.uniform(0.74, 0.95) * (radii[beside] + radius)
            centre = centres[beside] + away * np.exp(2j * np.pi * rng.random())
        else:
            centre = complex(*rng.uniform(0, canvas, 2))
        inside = 0 <= centre.real < canvas and 0 <= centre.imag < canvas
        if inside and (np.abs(centres - centre) > 0.73 * (radii + radius)).all():
            centres, radii = np.append(centres, centre), np.append(radii, radius)
        if len(radii) >= wanted:
            break
    return centres, radii


def _territories(
    canvas: int, centres: NDArray[np.complex128], radii: Grey, rng: np.random.Generator
) -> tuple[NDArray[np.int32], Grey, Grey]:
    """The cell 1, 2, ... that each pixel lies deepest in, how deep, and how deep it lies in a nucleus.

    Depths are in pixels, negative outside; far from all cells they are -_MARGIN.
    """
    owner = np.zeros((canvas, canvas), np.int32)
    first, second, nucleus = (np.full((canvas, canvas), -float(_MARGIN)) for _ in range(3))
    for number, (centre, radius) in enumerate(zip(centres, radii, strict=True), start=1):
        reach = (1 + sum(_BUMPS)) * radius + _HALO
        rows, columns = (
            slice(max(0, int(at - reach)), min(canvas, int(at + reach) + 1)) for at in (centre.imag, centre.real)
        )
        away = np.arange(columns.start, columns.stop) + 1j * np.arange(rows.start, rows.stop)[:, None] - centre
        s = _blob(away, radius, rng)

        place = rows, columns
        deepest = s > first[place]
        second[place] = np.where(deepest, first[place], np.maximum(second[place], s))
        first[place] = np.where(deepest, s, first[place])
        owner[place] = np.where(deepest, number, owner[place])

        aside = 0.25 * radius * rng.random() * np.exp(2j * np.pi * rng.random())
        nucleus[place] = np.maximum(nucleus[place], _blob(away - aside, rng.uniform(0.3, 0.45) * radius, rng))
    return owner, np.minimum(first, (first - second) / 2), nucleus


def _blob(away: NDArray[np.complex128], radius: float, rng: np.random.Generator) -> Grey:
    """Depth below a closed curve about 0: r(angle) - |away|, r = radius (1 + sum_k a_k cos(k angle + phase_k)).

    k goes from 2 (a long shape) to 5 (an uneven one); the cosine is the real part of a power of the direction.
    """
    distance = np.abs(away)
    direction = away / np.maximum(distance, 1e-9)
    bumps = rng.uniform(0, _BUMPS) * np.exp(2j * np.pi * rng.random(4))
    return radius * (1 + np.polyval([*bumps, 0, 0], direction).real) - distance


def _photograph(
    owner: NDArray[np.int32], depth: Grey, nucleus: Grey, cells: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What the camera sees: grey levels of ground, bodies, membranes and halos, blurred, unevenly lit, and noisy."""

    def of_each_cell(low: float, high: float) -> Grey:
        """One number per cell, spread over its pixels."""
        values: Grey = rng.uniform(low, high, cells + 1)[owner]
        return values

    canvas = len(owner)
    inside = _soft_step(depth)
    body = of_each_cell(-0.14, 0.18) + of_each_cell(0.01, 0.07) * _cloud(canvas, 1.5, rng)
    body += of_each_cell(0.05, 0.15) * np.sqrt(np.clip(depth, 0, None) / _RADIUS[1])  # thicker in the middle
    body += of_each_cell(-0.22, 0.08) * _soft_step(nucleus)
    membrane = of_each_cell(0.08, 0.32) * np.exp(-(depth**2) / (2 * 1.0**2))
    halo = 0.16 * np.exp(-((depth + 3) ** 2) / (2 * 1.8**2))
    grey = 0.42 + 0.02 * _cloud(canvas, 4, rng) + inside * body - membrane + halo
    grey = _blurred(grey, 0.9)
    grey *= 1 + 0.12 * _cloud(canvas, canvas / 5, rng)
    grey += 0.04 * rng.standard_normal(grey.shape)
    return np.rint(255 * grey.clip(0, 1)).astype(np.uint8)


def _soft_step(depth: Grey) -> Grey:
    """0 outside and 1 inside, over one pixel."""
    return np.clip(depth + 0.5, 0, 1)


def _cloud(size: int, scale: float, rng: np.random.Generator) -> Grey:
    """Random grey levels, mean 0 and variance 1, whose patches are about `scale` pixels wide."""
    cloud = _blurred(rng.standard_normal((size, size)), scale)
    return (cloud - cloud.mean()) / cloud.std()


def _blurred(grey: Grey, sigma: float) -> Grey:
    """The picture under a Gaussian of deviation sigma, as a product of spectra; edges meet the opposite ones."""
    H, W = grey.shape
    across = np.exp(-2 * (np.pi * sigma * np.fft.rfftfreq(W)) ** 2)
    down = np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(H)) ** 2)
    return np.fft.irfft2(np.fft.rfft2(grey) * across * down[:, None], s=grey.shape)


def _cells(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The components of a mask, numbered 1, 2, ..., without those that are mere scraps."""
    components = connected_components(mask)
    whole = np.bincount(components.ravel()) >= _SMALLEST
    whole[0] = False  # the ground
    return np.where(whole, np.cumsum(whole, dtype=np.int32), 0)[components]
