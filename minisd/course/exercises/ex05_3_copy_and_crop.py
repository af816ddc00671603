"""Copy and crop

On its way up a U-Net puts the map that comes up (x) and the copy from the way down (skip) side by side along the
channels, x first. Their sizes may differ; then the larger one is cropped to the size of the smaller, height and width
each for itself, from its middle. Of an odd difference the extra row or column is taken off at the end.
"""

import numpy as np

from minisd import ops
from minisd.autograd import Tensor

POINTS, MINUTES = 2, 20
HINTS = (
    "64 rows are cropped to 56. With which row do you begin?",
    "height = min(x.shape[1], skip.shape[1]), likewise the width; crop both to it: one of them will not change.",
    "top = (H - height) // 2; x[:, top : top + height, left : left + width]; np.concatenate([x, skip], axis=-1)",
)


def copy_and_crop(x, skip):
    """Both, cropped to one size; shapes x (B, H, W, C), skip (B, H', W', O) -> (B, smaller, smaller, C + O)."""
    return ops.copy_and_crop(Tensor(x), Tensor(skip)).data


def cases(rng, dtype):
    for x_shape, skip_shape in (
        ((1, 4, 4, 2), (1, 8, 8, 3)),
        ((2, 8, 8, 1), (2, 7, 7, 2)),
        ((1, 3, 6, 2), (1, 6, 3, 2)),
        ((2, 5, 5, 2), (2, 5, 5, 1)),
        ((1, 4, 7, 1), (1, 9, 10, 4)),
        ((2, 2, 3, 2), (2, 7, 8, 2)),
    ):
        yield rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(skip_shape).astype(dtype)


def _cropped(x, skip, start):
    height, width = min(x.shape[1], skip.shape[1]), min(x.shape[2], skip.shape[2])
    cut = []
    for array in (x, skip):
        top, left = start(array.shape[1] - height), start(array.shape[2] - width)
        cut.append(array[:, top : top + height, left : left + width])
    return cut


def mistake_corner(x, skip):
    """The crop begins at the upper left corner; the middle is wanted."""
    return np.concatenate(_cropped(x, skip, lambda more: 0), axis=-1)


def mistake_extra_row_first(x, skip):
    """Of an odd difference the extra row is taken off at the end; yours goes at the beginning."""
    return np.concatenate(_cropped(x, skip, lambda more: (more + 1) // 2), axis=-1)


def mistake_skip_first(x, skip):
    """The map that comes up has the first channels, the copy the last."""
    return np.concatenate(_cropped(x, skip, lambda more: more // 2)[::-1], axis=-1)


def mistake_copy_cropped_only(x, skip):
    """Here the copy is not the larger one: crop whichever is larger, height and width each for itself."""
    top, left = (skip.shape[1] - x.shape[1]) // 2, (skip.shape[2] - x.shape[2]) // 2
    return np.concatenate([x, skip[:, top : top + x.shape[1], left : left + x.shape[2]]], axis=-1)


def mistake_end(x, skip):
    """The crop ends at the lower right corner; the middle is wanted."""
    return np.concatenate(_cropped(x, skip, lambda more: more), axis=-1)


def mistake_padded(x, skip):
    """The larger one is cropped; you make the smaller one larger with zeros."""
    height, width = max(x.shape[1], skip.shape[1]), max(x.shape[2], skip.shape[2])
    both = []
    for array in (x, skip):
        rows, columns = height - array.shape[1], width - array.shape[2]
        sides = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
        both.append(np.pad(array, sides))
    return np.concatenate(both, axis=-1)


def mistake_not_interleaved(x, skip):
    """The channels lie side by side, first all of x, then all of the copy; yours are mixed."""
    joined = np.concatenate(_cropped(x, skip, lambda more: more // 2), axis=-1)
    return joined[..., np.argsort(np.arange(joined.shape[-1]) % 2, kind="stable")]


def right_by_sides(a, b):
    def middle(array, height, width):
        rows, columns = array.shape[1] - height, array.shape[2] - width
        bottom, right = array.shape[1] - (rows + 1) // 2, array.shape[2] - (columns + 1) // 2
        return array[:, rows // 2 : bottom, columns // 2 : right]

    height, width = min(a.shape[1], b.shape[1]), min(a.shape[2], b.shape[2])
    return np.concatenate((middle(a, height, width), middle(b, height, width)), 3)


def right_pixel_by_pixel(x, skip):
    (B, H, W, C), (_, h, w, O) = x.shape, skip.shape
    out = np.empty((B, min(H, h), min(W, w), C + O), x.dtype)
    for i, j in np.ndindex(*out.shape[1:3]):
        out[:, i, j, :C] = x[:, i + (H - out.shape[1]) // 2, j + (W - out.shape[2]) // 2]
        out[:, i, j, C:] = skip[:, i + (h - out.shape[1]) // 2, j + (w - out.shape[2]) // 2]
    return out
