"""And back: tokens put in their places

The transformer's last layer gives each token $p \\cdot p \\cdot C$ numbers: what it says of its square. Lay them where
they belong, h rows of w squares:

$$(B, \\; h \\cdot w, \\; p \\cdot p \\cdot C) \\;\\to\\; (B, \\; h p, \\; w p, \\; C)$$

so that it undoes 20.1: tokens go along the rows of squares; in a token are the rows of its square, in a row its pixels,
and of each pixel its C numbers. C is not given; it follows from the sizes.
"""

import numpy as np

from minisd.autograd import Tensor
from minisd.models.dit import from_patches

POINTS, MINUTES = 2, 15
HINTS = (
    "How many channels has a pixel, if a token has so many numbers? And which axes does one token's row hold?",
    "Split to (B, h, w, p, p, C): row of squares, column of squares, row in it, column in it, channel. A row of the "
    "picture is counted by the row of squares and the row in it: these two must stand side by side.",
    "Exchange the axes 2 and 3 of the split array, then join two and two of them.",
)


def unpatchify(tokens, h, w, p):
    """The picture or its latents, (B, h p, w p, C)."""
    return from_patches(Tensor(tokens), h, w, p).data


def cases(rng, dtype):
    for B, h, w, p, C in ((1, 2, 2, 2, 1), (2, 2, 3, 2, 3), (2, 5, 7, 1, 4), (1, 3, 2, 3, 2), (1, 3, 3, 4, 2)):
        yield rng.standard_normal((B, h * w, p * p * C)).astype(dtype), h, w, p


def _joined(array, h, w, p):
    return array.reshape(len(array), h * p, w * p, -1)


def mistake_reshape_alone(tokens, h, w, p):
    """A reshape alone lays all of a token behind each other into the first row: its second row of pixels belongs under
    the first."""
    return _joined(tokens, h, w, p)


def mistake_down_first(tokens, h, w, p):
    """Tokens go along the rows of squares: you fill the columns first."""
    return _joined(tokens.reshape(len(tokens), w, h, p, p, -1).transpose(0, 2, 3, 1, 4, 5), h, w, p)


def mistake_columns_in_a_square(tokens, h, w, p):
    """Each square is mirrored at its diagonal: a token holds the rows of its square, not its columns."""
    return _joined(tokens.reshape(len(tokens), h, w, p, p, -1).transpose(0, 1, 4, 2, 3, 5), h, w, p)


def mistake_channels_first(tokens, h, w, p):
    """In a token a pixel's C numbers lie side by side: you read it channel by channel."""
    return _joined(tokens.reshape(len(tokens), h, w, -1, p, p).transpose(0, 1, 4, 2, 5, 3), h, w, p)


def mistake_strewn(tokens, h, w, p):
    """The pixels of a token are neighbours: you strew them over the picture, h and w apart."""
    return _joined(tokens.reshape(len(tokens), h, w, p, p, -1).transpose(0, 3, 1, 4, 2, 5), h, w, p)


def mistake_row_within_first(tokens, h, w, p):
    """A row of the picture is counted by the row of squares first, then by the row in the square: yours the other way
    round."""
    return _joined(tokens.reshape(len(tokens), h, w, p, p, -1).transpose(0, 3, 1, 2, 4, 5), h, w, p)


def mistake_same_order(tokens, h, w, p):
    """Split as a picture is split, (B, h, p, w, p, C), the axes do not fit what lies in a token: the tokens' axes are
    (B, h, w, p, p, C), and then they are exchanged."""
    return _joined(tokens.reshape(len(tokens), h, p, w, p, -1).transpose(0, 1, 3, 2, 4, 5), h, w, p)


def mistake_height_and_width(tokens, h, w, p):
    """h is the number of rows of squares and w that of columns: you exchange the two."""
    split = tokens.reshape(len(tokens), w, h, p, p, -1).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(len(tokens), w * p, h * p, -1)


def mistake_still_six_axes(tokens, h, w, p):
    """The axes stand in the right order: now join them two and two, to (B, h p, w p, C)."""
    return tokens.reshape(len(tokens), h, w, p, p, -1).transpose(0, 1, 3, 2, 4, 5)


def right_loops(tokens, h, w, p):
    B, _, numbers = tokens.shape
    picture = np.zeros((B, h * p, w * p, numbers // p**2), tokens.dtype)
    for n in range(h * w):
        top, left = n // w * p, n % w * p
        picture[:, top : top + p, left : left + p] = tokens[:, n].reshape(B, p, p, -1)
    return picture


def right_glued(tokens, h, w, p):
    squares = tokens.reshape(len(tokens), h, w, p, p, -1)
    rows = [np.concatenate([squares[:, i, j] for j in range(w)], axis=2) for i in range(h)]
    return np.concatenate(rows, axis=1)
