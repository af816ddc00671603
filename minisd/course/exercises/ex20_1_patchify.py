"""A picture as a row of tokens

A transformer reads tokens. So the picture, or its latents, is cut into squares of p x p pixels, and the numbers of a
square, one behind the other, are a token:

$$(B, H, W, C) \\;\\to\\; \\left(B, \\; \\frac{H}{p} \\cdot \\frac{W}{p}, \\; p \\cdot p \\cdot C\\right)$$

The squares come in the order in which one reads: the first row of squares from left to right, then the next. Within a
square, likewise: its first row of pixels from left to right, and of each pixel its C numbers. p divides H and W.
"""

import numpy as np

from minisd.autograd import Tensor
from minisd.models.dit import to_patches

POINTS, MINUTES = 2, 20
HINTS = (
    "A reshape alone cannot do it: a square's second row of pixels does not lie behind its first. Which axes are there "
    "if H and W are each split in two?",
    "Split to (B, H/p, p, W/p, p, C): row of squares, row in it, column of squares, column in it, channel. Now bring "
    "them into the order in which they shall be read.",
    "Axes 0, 1, 3, 2, 4, 5 of the split array; then two axes become the tokens, and three the numbers of a token.",
)


def patchify(x, p):
    """The tokens, (B, H/p W/p, p p C)."""
    return to_patches(Tensor(x), p).data


def cases(rng, dtype):
    for shape, p in (
        ((1, 4, 4, 1), 2),
        ((2, 4, 6, 3), 2),
        ((2, 7, 5, 4), 1),
        ((1, 9, 6, 2), 3),
        ((3, 4, 12, 2), 4),
        ((1, 8, 8, 4), 2),
    ):
        yield rng.standard_normal(shape).astype(dtype), p


def _split(x, p):
    B, H, W, C = x.shape
    return x.reshape(B, H // p, p, W // p, p, C)


def _joined(squares, x, p):
    B, H, W, C = x.shape
    return squares.reshape(B, H * W // p**2, p * p * C)


def mistake_reshape_alone(x, p):
    """A reshape leaves the numbers where they lie, row by row through the whole picture: your tokens are pieces of
    rows, not squares."""
    return _joined(x, x, p)


def mistake_down_first(x, p):
    """The squares are read from left to right, and then the next row: you go down the columns."""
    return _joined(_split(x, p).transpose(0, 3, 1, 2, 4, 5), x, p)


def mistake_columns_in_a_square(x, p):
    """Within a square, too, one reads along the rows: you go down its columns."""
    return _joined(_split(x, p).transpose(0, 1, 3, 4, 2, 5), x, p)


def mistake_channels_first(x, p):
    """A pixel's C numbers stay side by side: yours come channel by channel."""
    return _joined(_split(x, p).transpose(0, 1, 3, 5, 2, 4), x, p)


def mistake_every_pth_pixel(x, p):
    """A token is p x p neighbours: yours is made of pixels that lie H / p and W / p apart."""
    B, H, W, C = x.shape
    return _joined(x.reshape(B, p, H // p, p, W // p, C).transpose(0, 2, 4, 1, 3, 5), x, p)


def mistake_offsets_as_tokens(x, p):
    """Your first axis counts the places within a square, your second the squares: exchange the two."""
    return _joined(_split(x, p).transpose(0, 2, 4, 1, 3, 5), x, p)


def mistake_squares_kept(x, p):
    """The squares are there, but a token is a row of numbers: flatten each square."""
    B, H, W, C = x.shape
    return _split(x, p).transpose(0, 1, 3, 2, 4, 5).reshape(B, H * W // p**2, p, p, C)


def mistake_mean(x, p):
    """A token keeps all p p C numbers of its square: you took their mean."""
    return _split(x, p).mean(axis=(2, 4)).reshape(len(x), -1, x.shape[3])


def mistake_grid_kept(x, p):
    """The tokens stand in one row, H/p W/p of them: you left them in a grid."""
    return _split(x, p).transpose(0, 1, 3, 2, 4, 5).reshape(len(x), x.shape[1] // p, x.shape[2] // p, -1)


def right_loops(x, p):
    tokens = []
    for top in range(0, x.shape[1], p):
        for left in range(0, x.shape[2], p):
            tokens.append(x[:, top : top + p, left : left + p].reshape(len(x), -1))
    return np.stack(tokens, axis=1)


def right_by_places(x, p):
    B, H, W, C = x.shape
    row, column, i, j = np.ogrid[: H // p, : W // p, :p, :p]
    return x[:, row * p + i, column * p + j].reshape(B, H * W // p**2, p * p * C)
