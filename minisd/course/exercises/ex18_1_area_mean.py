"""A smaller picture, by area

The surest way to a smaller picture: every pixel becomes the mean of the `factor` x `factor` pixels that lie under it.
Nothing is lost at the border and nothing counts twice. Write the function for pictures of shape (N, factor H, factor
W).
"""

import numpy as np

from minisd.resizing import area_mean

POINTS, MINUTES = 1, 15
HINTS = (
    "Which pixels of the large picture lie under pixel (1, 0) of the small one?",
    "A reshape gives every block axes of its own: the rows of blocks, the rows within a block, then the columns' two.",
    "reshape(N, H, factor, W, factor), then the mean over the two axes of length factor.",
)


def block_mean(images, factor):
    """The means, of shape (N, H, W), as numbers with a fraction."""
    return area_mean(images.astype(np.float64), factor)


def cases(rng, dtype):
    for N, H, W, factor in ((2, 3, 5, 2), (1, 4, 2, 3), (3, 2, 3, 4), (2, 1, 4, 2), (1, 3, 3, 1)):
        yield rng.standard_normal((N, factor * H, factor * W)).astype(dtype), factor
    yield rng.integers(0, 256, (2, 8, 12)).astype(np.uint8), 4


def _blocks(images, factor):
    N, H, W = images.shape
    return images.reshape(N, H // factor, factor, W // factor, factor).astype(float)


def mistake_every_other_pixel(images, factor):
    """You take one pixel of each block; all of them count, each as much as the others."""
    return images[:, ::factor, ::factor].astype(float)


def mistake_sum(images, factor):
    """That is each block's sum: the mean is wanted."""
    return _blocks(images, factor).sum((2, 4))


def mistake_divided_by_the_factor(images, factor):
    """A block has factor x factor pixels: divide by the factor's square."""
    return _blocks(images, factor).sum((2, 4)) / factor


def mistake_axes_of_the_reshape(images, factor):
    """Behind the rows of blocks come the rows within a block: with the factor before H, rows that lie far apart mix."""
    N, H, W = images.shape
    return images.reshape(N, factor, H // factor, factor, W // factor).mean((1, 3))


def mistake_highest(images, factor):
    """That is the highest number of a block, max-pooling: the mean is wanted."""
    return _blocks(images, factor).max((2, 4))


def mistake_rows_alone(images, factor):
    """The columns become fewer, too."""
    N, H, W = images.shape
    return images.reshape(N, H // factor, factor, W).mean(2)


def mistake_whole_numbers(images, factor):
    """The means keep their fractions: nothing is rounded."""
    return np.rint(_blocks(images, factor).mean((2, 4)))


def right_loops(images, factor):
    N, H, W = images.shape
    small = np.zeros((N, H // factor, W // factor))
    for i in range(H // factor):
        for j in range(W // factor):
            block = images[:, i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            small[:, i, j] = block.reshape(N, -1).mean(axis=1)
    return small


def right_matrices(images, factor):
    down, across = (np.kron(np.eye(n // factor), np.full(factor, 1 / factor)) for n in images.shape[1:])
    return down @ images @ across.T


def right_slices(images, factor):
    shifted = [images[:, i::factor, j::factor].astype(float) for i in range(factor) for j in range(factor)]
    return sum(shifted) / factor**2
