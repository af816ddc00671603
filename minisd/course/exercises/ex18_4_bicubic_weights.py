"""Twice the side, by cubic convolution

A row of `size` pixels becomes one of `2 size`: new pixel i lies at $u = (i + 1/2) / 2 - 1/2$ among the old ones, whose
places are 0, 1, 2, ... It is a weighted sum of the four nearest old pixels, two to each side, and the weight depends on
the distance d alone (Keys 1981, with a = -1/2):

$$w(d) = \\begin{cases} \\tfrac32 d^3 - \\tfrac52 d^2 + 1 & d < 1 \\\\ -\\tfrac12 d^3 + \\tfrac52 d^2 - 4 d + 2 & 1 \\le
d < 2 \\end{cases}$$

A place beside the row, such as -1, means the row's end pixel: its weight is added to that one's. Write the function
that returns all weights as a matrix W of shape (2 size, size), so that `W @ row` is the large row, and `W @ picture @
W.T` the large picture.
"""

import numpy as np

from minisd.resizing import bicubic_matrix

POINTS, MINUTES = 4, 45
HINTS = (
    "Where do the new pixels 0, 1, 2 and 3 lie? At -1/4, 1/4, 3/4, 5/4: all distances that come are 1/4 and 3/4, and "
    "those plus 1.",
    "Of new pixel i the four old places are floor(u) - 1 to floor(u) + 2. The weights of every row must sum to 1.",
    "Two loops: over i, and over those four places p; W[i, min(max(p, 0), size - 1)] += w(abs(u - p)).",
)


def bicubic_weights(size):
    """The weights, of shape (2 size, size); every row sums to 1."""
    return bicubic_matrix(size, 2)


def cases(rng, dtype):
    for size in (1, 2, 3, 4, 7, 12):
        yield (size,)


def _w(d):
    return np.where(d < 1, 1.5 * d**3 - 2.5 * d**2 + 1, np.where(d < 2, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2, 0))


def _weights(size, place=lambda i: (i + 0.5) / 2 - 0.5, w=_w, ends="held", reach=2):
    W = np.zeros((2 * size, size))
    for i in range(2 * size):
        u = place(i)
        for p in range(int(np.floor(u)) - reach + 1, int(np.floor(u)) + reach + 1):
            if 0 <= p < size or ends == "held":
                W[i, min(max(p, 0), size - 1)] += w(np.abs(u - p))
            elif ends == "around":
                W[i, p % size] += w(np.abs(u - p))
    return W


def mistake_pixels_are_points(size):
    """The places are those of the pixels' corners, u = i / 2: then the large picture is moved by a quarter pixel."""
    return _weights(size, lambda i: i / 2)


def mistake_ends_lost(size):
    """A place beside the row counts as the end pixel: without it the rows at the ends do not sum to 1."""
    return _weights(size, ends="lost")


def mistake_around(size):
    """A place beside the row is the end pixel next to it, not that of the other end."""
    return _weights(size, ends="around")


def mistake_linear(size):
    """These are the weights of linear interpolation, 3/4 and 1/4: cubic convolution uses four pixels."""
    return _weights(size, w=lambda d: np.maximum(1 - d, 0))


def mistake_nearest(size):
    """Every old pixel stands twice: that is the nearest neighbour, and no interpolation."""
    return np.eye(size).repeat(2, axis=0)


def mistake_a_three_quarters(size):
    """These are the weights for a = -3/4, as some libraries have them: here a is -1/2."""
    a = -0.75
    return _weights(
        size,
        w=lambda d: np.where(
            d < 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, np.where(d < 2, a * (d**3 - 5 * d**2 + 8 * d - 4), 0)
        ),
    )


def mistake_two_taps(size):
    """Two pixels to each side count, not one: the outer ones' weights are negative, which makes the edge steeper."""
    return _weights(size, reach=1)


def mistake_mirrored(size):
    """Two neighbouring new pixels are exchanged: i = 0 lies at -1/4, before the old pixel 0, and i = 1 at 1/4."""
    return _weights(size).reshape(size, 2, size)[:, ::-1].reshape(2 * size, size)


def mistake_transposed(size):
    """A row of W belongs to a new pixel: 2 size rows, size columns."""
    return _weights(size).T


def right_loops(size):
    return _weights(size)


def right_two_rows_of_weights(size):
    """Only two sets of weights come, one the other's mirror image."""
    left = np.array([-3, 29, 111, -9]) / 128
    padded = np.zeros((2 * size, size + 4))
    for j in range(size):
        padded[2 * j, j : j + 4] = left
        padded[2 * j + 1, j + 1 : j + 5] = left[::-1]
    W = padded[:, 2:-2].copy()
    W[:, 0] += padded[:, :2].sum(1)
    W[:, -1] += padded[:, -2:].sum(1)
    return W


def right_answers_to_unit_rows(size):
    u = np.arange(2 * size) / 2 - 0.25
    padded = np.pad(np.eye(size), ((3, 3), (0, 0)), mode="edge")
    return sum(_w(np.abs(u - p))[:, None] * padded[p + 3] for p in range(-3, size + 3))
