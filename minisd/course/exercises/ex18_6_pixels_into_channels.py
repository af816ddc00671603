"""Pixels into channels

A network that draws 56 x 56 pixels need not compute on maps of 56 x 56. Lay every 2 x 2 pixels into the channels of
one: of (B, 2H, 2W, C) numbers come (B, H, W, 4C), the same numbers. The channels of the upper left pixel come first,
then those of the upper right, the lower left, the lower right. Now the small picture fits beside it as one channel
more.
"""

import numpy as np

from minisd.resizing import space_to_depth

POINTS, MINUTES = 2, 20
HINTS = (
    "No number changes: a reshape, a transposition and a reshape will do.",
    "Give rows and columns within a block axes of their own: (B, H, 2, W, 2, C). In which order are they wanted?",
    "transpose(0, 1, 3, 2, 4, 5), then reshape to (B, H, W, 4 * C).",
)


def pixels_into_channels(x):
    """The same numbers, of shape (B, H, W, 4C)."""
    return space_to_depth(x)


def cases(rng, dtype):
    for B, H, W, C in ((2, 3, 5, 1), (1, 2, 4, 3), (3, 1, 2, 2), (2, 4, 1, 1), (1, 1, 1, 1)):
        yield (rng.standard_normal((B, 2 * H, 2 * W, C)).astype(dtype),)


def _split(x):
    B, H, W, C = x.shape
    return x.reshape(B, H // 2, 2, W // 2, 2, C), (B, H // 2, W // 2, 4 * C)


def mistake_reshape_alone(x):
    """A reshape alone takes four pixels that lie side by side in a row: the block has two rows."""
    return x.reshape(_split(x)[1])


def mistake_columns_first(x):
    """Upper right comes before lower left: within a block go along the row first."""
    split, shape = _split(x)
    return split.transpose(0, 1, 3, 4, 2, 5).reshape(shape)


def mistake_channels_first(x):
    """A pixel's channels stay together: the pixels' order comes before the channels'."""
    split, shape = _split(x)
    return split.transpose(0, 1, 3, 5, 2, 4).reshape(shape)


def mistake_quarters(x):
    """A block's four pixels are neighbours: you take one pixel of each quarter of the picture."""
    B, H, W, C = x.shape
    return x.reshape(B, 2, H // 2, 2, W // 2, C).transpose(0, 2, 4, 1, 3, 5).reshape(B, H // 2, W // 2, 4 * C)


def mistake_rows_below_first(x):
    """The upper row of a block comes first, then the lower one."""
    split, shape = _split(x)
    return split[:, :, ::-1].transpose(0, 1, 3, 2, 4, 5).reshape(shape)


def mistake_right_to_left(x):
    """The left pixel of a row comes first, then the right one."""
    split, shape = _split(x)
    return split[:, :, :, :, ::-1].transpose(0, 1, 3, 2, 4, 5).reshape(shape)


def mistake_around_the_block(x):
    """The order is upper left, upper right, lower left, lower right: not clockwise."""
    return np.concatenate([x[:, ::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2], x[:, 1::2, ::2]], axis=-1)


def mistake_mean(x):
    """Nothing is averaged: all four pixels stay, each in channels of its own."""
    split, _ = _split(x)
    return split.mean((2, 4))


def right_slices(x):
    return np.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1)


def right_loops(x):
    B, H, W, C = x.shape
    y = np.zeros((B, H // 2, W // 2, 4 * C), x.dtype)
    for i in range(H):
        for j in range(W):
            k = 2 * (i % 2) + j % 2
            y[:, i // 2, j // 2, k * C : (k + 1) * C] = x[:, i, j]
    return y
