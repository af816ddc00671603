"""How much each pixel counts when a network learns to part cells that touch (Ronneberger et al. 2015, eq. 2).

    w(x) = w_c(x) + w_0 exp(-(d_1(x) + d_2(x))^2 / (2 sigma^2))

d_1 and d_2 are the distances to the nearest and to the second nearest cell, and w_c makes both classes count alike,
though there may be more pixels of one. The second term is large only where two cells are near: a line of ground one
pixel wide is a small part of a picture, and would be the cheapest thing to get wrong.

Distances are Euclidean, from pixel centre to pixel centre. The second term counts on the ground alone, as in the
paper's figure 3d: inside a cell there is no line to learn.
"""

import numpy as np
from numpy.typing import NDArray


def weight_map(instances: NDArray[np.int32], w_0: float = 10.0, sigma: float = 5.0) -> NDArray[np.float32]:
    """The weight of each pixel of one picture, eq. 2 with the paper's w_0 = 10 and sigma = 5 pixels.

    Shapes: instances (H, W), 0 ground and 1, 2, ... the cells -> (H, W).

    >>> instances = np.array([[1, 1, 0, 2, 2, 2]], np.int32)
    >>> weight_map(instances).round(2)  # ground: 6 / (2 * 1) + 10 exp(-(1 + 1)^2 / 50)
    array([[ 0.6 ,  0.6 , 12.23,  0.6 ,  0.6 ,  0.6 ]], dtype=float32)
    """
    cell = instances > 0
    part = cell.mean()
    # Each class holds half of the weight, 1 a pixel on average; where one class is missing the other has all.
    of_cell, of_ground = (1.0, 1.0) if part in (0, 1) else (0.5 / part, 0.5 / (1 - part))
    nearest, second = two_nearest(instances, reach=5 * sigma)  # farther, the term is below 4e-6 w_0
    between_cells = w_0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.where(cell, of_cell, of_ground + between_cells).astype(np.float32)


def two_nearest(instances: NDArray[np.int32], reach: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distances in pixels of each pixel to the nearest and to the second nearest cell, exact up to `reach`.

    Farther cells do not count: where fewer than two are within reach, a distance is infinite. A pixel is at distance 0
    from its own cell.

    Shapes: instances (H, W) -> twice (H, W).
    """
    nearest, second = np.full((2, *instances.shape), np.inf)
    borders, margin = _borders(instances), int(reach)
    for number in np.unique(instances[instances > 0]):
        y, x = np.nonzero(borders == number)
        rows, columns = (
            np.arange(max(0, at.min() - margin), min(length, at.max() + margin + 1))
            for at, length in zip((y, x), instances.shape, strict=True)
        )
        place = np.ix_(rows, columns)
        # Of a cell the nearest pixel is one of its border, so no other pixel is looked at.
        dy, dx = rows - y[:, None], columns - x[:, None]  # (border, rows), (border, columns)
        distance = np.sqrt((dy[:, :, None] ** 2 + dx[:, None] ** 2).min(axis=0))
        distance[distance > reach] = np.inf
        distance[instances[place] == number] = 0
        second[place] = np.minimum(second[place], np.maximum(nearest[place], distance))
        nearest[place] = np.minimum(nearest[place], distance)
    return nearest, second


def _borders(instances: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same cells without their inner pixels, whose four neighbours are all of the same cell."""
    framed = np.pad(instances, 1)
    neighbours = framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]
    inner = np.logical_and.reduce([neighbour == instances for neighbour in neighbours])
    return np.where(inner, 0, instances)
