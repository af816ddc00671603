"""Through a chain of layers

A picture of <size> x <size> pixels goes through a convolution of 7 x 7 with stride 2 and padding 3, a max-pooling of
3 x 3 with stride 2 and padding 1, a convolution of 3 x 3 without padding, and one of 4 x 4 with stride 3 and padding 1.
How many pixels wide is the result? (A whole number.)
"""

from minisd_kernels.shapes import window_output_size

POINTS, MINUTES = 2, 10
HINTS = (
    "Four times the same formula; each result is the next one's I.",
    "Round down after every layer, not once in the end.",
    "(I + 6 - 7) // 2 + 1, then (I + 2 - 3) // 2 + 1, then I - 2, then (I + 2 - 4) // 3 + 1",
)


def answer(size):
    for window, stride, padding in ((7, 2, 3), (3, 2, 1), (3, 1, 0), (4, 3, 1)):
        size = window_output_size(size, window, stride, padding)
    return size


def numbers(rng):
    return (int(rng.integers(100, 700)),)


def mistake_no_padding(size):
    """The padding makes each row 2P longer."""
    for window, stride in ((7, 2), (3, 2), (3, 1), (4, 3)):
        size = (size - window) // stride + 1
    return size


def mistake_pooling_without_stride(size):
    """The pooling has a stride of 2, too."""
    size = window_output_size(size, 7, 2, 3) - 2
    return window_output_size(size, 4, 3, 1)


def mistake_last_stride_forgotten(size):
    """The last convolution has a stride of 3."""
    size = window_output_size(window_output_size(size, 7, 2, 3), 3, 2, 1)
    return size - 2 + 2 - 4 + 1
