"""A large picture that fits the small one

Someone has drawn a large picture x, sharp and pretty, but its area means are not the small picture's. Of all pictures
whose area means are right, which one lies closest to x, in the sum of squared differences? It can be written down:
whatever is missing in a block's mean is added to all pixels of the block alike. Write it for x of shape
(N, factor H, factor W) and small pictures of shape (N, H, W). The numbers need not stay in a range.
"""

import numpy as np

from minisd.course import mine

POINTS, MINUTES = 3, 25
HINTS = (
    "Begin with one block and one number: the four pixels 1, 2, 3, 6 are to have the mean 4.",
    "To change a mean by d at least cost, change each number by d: unequal changes have a larger sum of squares.",
    "x + repeated(small - block_mean(x)); factor * factor times the gradient of 18.2 is what repeats.",
)
GIVEN = ("np", "mine", "block_mean")

block_mean = mine("18.1")


def fitted(x, small, factor):
    """The picture closest to x whose area means are `small`."""
    missing = small - block_mean(x, factor)
    return x + missing.repeat(factor, axis=1).repeat(factor, axis=2)


def cases(rng, dtype):
    for N, H, W, factor in ((2, 3, 5, 2), (1, 4, 2, 3), (3, 2, 3, 4), (2, 1, 4, 2)):
        x, small = (rng.standard_normal((N, k * H, k * W)).astype(dtype) for k in (factor, 1))
        yield x, small, factor
    yield np.full((1, 4, 6), 3, dtype), np.full((1, 2, 3), 1, dtype), 2


def _large(small, factor):
    return small.repeat(factor, 1).repeat(factor, 2)


def mistake_replaced(x, small, factor):
    """The means are right, but nothing of x is left: keep how its pixels differ within a block."""
    return _large(small, factor)


def mistake_sign(x, small, factor):
    """What is missing is the small picture's number less the mean, not the other way round."""
    return x - _large(small - block_mean(x, factor), factor)


def mistake_divided(x, small, factor):
    """Each pixel gets the whole of what is missing: with a share of it the mean would move by a share."""
    return x + _large(small - block_mean(x, factor), factor) / factor**2


def mistake_one_pixel(x, small, factor):
    """The mean is right, but at a higher price: all pixels of the block take a part, not one of them."""
    y = np.array(x)
    y[:, ::factor, ::factor] += factor**2 * (small - block_mean(x, factor))
    return y


def mistake_of_the_whole_picture(x, small, factor):
    """Every block has a mean of its own to reach, not the picture as a whole."""
    return x + (small.mean((1, 2)) - x.mean((1, 2)))[:, None, None]


def mistake_scaled(x, small, factor):
    """Multiplying reaches the means, too, but lies further from x, and fails where a mean is 0: add."""
    with np.errstate(all="ignore"):
        return x * _large(small / block_mean(x, factor), factor)


def mistake_added(x, small, factor):
    """The mean that x has already must go away first: add the difference."""
    return x + _large(small, factor)


def mistake_tiled(x, small, factor):
    """What is missing in a block goes to that block: repeat every number, do not lay the picture side by side."""
    return x + np.tile(small - block_mean(x, factor), (1, factor, factor))


def right_block_by_block(x, small, factor):
    result = np.array(x, np.float64)
    for i in range(small.shape[1]):
        for j in range(small.shape[2]):
            block = result[:, i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
            block += (small[:, i, j] - block.mean((1, 2)))[:, None, None]
    return result


def right_details_kept(x, small, factor):
    N, H, W = small.shape
    blocks = x.reshape(N, H, factor, W, factor)
    details = blocks - blocks.mean((2, 4), keepdims=True)
    return (details + small[:, :, None, :, None]).reshape(x.shape)
