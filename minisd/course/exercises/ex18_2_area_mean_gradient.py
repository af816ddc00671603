"""The gradient of the area mean

A small picture is the area mean of a large one (18.1), and some loss is computed from it. Its gradient for the small
picture, g, has arrived. What is the gradient for the large one? Every pixel of a block went into one mean, with the
weight $1 / \\mathrm{factor}^2$. Then the rule of chapter 3 must hold: for any large $x$

$$\\langle \\mathrm{mean}(x),\\ g \\rangle = \\langle x,\\ \\mathrm{gradient}(g) \\rangle$$
"""

import numpy as np

from minisd.autograd import Tensor

POINTS, MINUTES = 1, 15
HINTS = (
    "By how much does a mean of 4 numbers change if one of them grows by 1?",
    "Every pixel of a block gets the same: the block's g, times the pixel's weight in the mean.",
    "Repeat g along its rows and its columns, factor times each, and divide by factor squared.",
)


def area_mean_gradient(g, factor):
    """The gradient for the large picture, (N, factor H, factor W), of that for the small one, (N, H, W)."""
    N, H, W = g.shape
    large = Tensor(np.zeros((N, H, factor, W, factor), g.dtype), requires_grad=True)
    (large.mean(axis=(2, 4)) * Tensor(g)).sum().backward()
    assert large.grad is not None
    return large.grad.reshape(N, factor * H, factor * W)


def cases(rng, dtype):
    for N, H, W, factor in ((2, 3, 5, 2), (1, 4, 2, 3), (3, 2, 3, 4), (2, 1, 4, 2), (1, 3, 3, 1)):
        yield rng.standard_normal((N, H, W)).astype(dtype), factor


def mistake_not_divided(g, factor):
    """A pixel enters the mean with the weight 1 / factor^2: so does the gradient."""
    return g.repeat(factor, 1).repeat(factor, 2)


def mistake_divided_once(g, factor):
    """The mean runs over both axes: the weight is 1 / factor^2, not 1 / factor."""
    return g.repeat(factor, 1).repeat(factor, 2) / factor


def mistake_tiled(g, factor):
    """The pixels of a block lie together: repeat every number, do not lay the whole picture side by side."""
    return np.tile(g, (1, factor, factor)) / factor**2


def mistake_one_pixel(g, factor):
    """Every pixel of a block gets a share, not its first one all."""
    large = np.zeros((len(g), factor * g.shape[1], factor * g.shape[2]), g.dtype)
    large[:, ::factor, ::factor] = g
    return large


def mistake_rows_alone(g, factor):
    """The columns are repeated, too."""
    return g.repeat(factor, 1) / factor**2


def mistake_of_all_pixels(g, factor):
    """The mean runs over a block, not over the picture: its weight has nothing to do with the picture's size."""
    return g.repeat(factor, 1).repeat(factor, 2) / (factor**2 * g[0].size)


def mistake_whole_shares(g, factor):
    """Integer division cuts the shares off: divide with /."""
    return g.repeat(factor, 1).repeat(factor, 2) // factor**2


def right_kronecker(g, factor):
    return np.stack([np.kron(one, np.full((factor, factor), factor**-2.0)) for one in g])


def right_index(g, factor):
    rows, columns = (np.arange(factor * n) // factor for n in g.shape[1:])
    return g[:, rows][:, :, columns] / (factor * factor)


def right_loops(g, factor):
    N, H, W = g.shape
    large = np.zeros((N, H * factor, W * factor))
    for i in range(H * factor):
        for j in range(W * factor):
            large[:, i, j] = g[:, i // factor, j // factor] / factor**2
    return large
