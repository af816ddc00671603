"""The U-Net at a size of your own

The U-Net of the paper has 4 poolings of 2 x 2, and 2 convolutions of 3 x 3 without padding at each level, down and up.
Its picture has <size> x <size> pixels. How many pixels wide is what it predicts? (A whole number.)
"""

from minisd_kernels.shapes import UNetShape

POINTS, MINUTES = 2, 10
HINTS = (
    "Two convolutions take 4 rows, a pooling halves, an up-convolution doubles.",
    "Go down four times (less 4, then half), take the lowest level's 4, go up four times (twice, then less 4).",
    "572 gives 388. Is the difference the same for your size?",
)


def answer(size):
    return UNetShape(depth=4, window=3, convolutions=2).output(size)


def numbers(rng):
    return (12 + 16 * int(rng.integers(15, 60)),)


def mistake_padded(size):
    """With padding the size would stay; here each convolution takes 2 rows."""
    return size


def mistake_no_lowest_level(size):
    """The lowest level has two convolutions, too."""
    return size - 184 + 4 * 16


def mistake_one_convolution(size):
    """There are two convolutions at each level, not one."""
    return size - 92
