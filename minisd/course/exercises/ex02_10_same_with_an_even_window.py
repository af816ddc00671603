"""The same size with an even window

A convolution with a window of <window> x <window> pixels and stride <stride> is to make of <size> x <size> pixels a map
of <size> / <stride> pixels on a side, rounded up: TensorFlow calls that "same". How many rows of padding does it need,
before and behind together? (A whole number.)
"""

from minisd_kernels.shapes import same_padding

POINTS, MINUTES = 2, 10
HINTS = (
    "Where must the last window begin so that as many places come out as are wanted?",
    "O places need S (O - 1) + F rows. How many are missing?",
    "ceil(size / stride) = O; the answer is S (O - 1) + F - I. It need not be even: then one more goes behind.",
)


def answer(window, stride, size):
    return sum(same_padding(size, window, stride))


def numbers(rng):
    stride = int(rng.integers(3, 6))
    remainder = int(rng.integers(2, stride))
    return 2 * int(rng.integers(3, 12)), stride, stride * int(rng.integers(10, 60)) + remainder


def mistake_stride_forgotten(window, stride, size):
    """F - 1 rows keep the size with a stride of 1; with a larger one the last window may begin elsewhere."""
    return window - 1


def mistake_rounded_down(window, stride, size):
    """The size wanted is rounded up: one more window must fit."""
    return stride * (size // stride - 1) + window - size


def mistake_half(window, stride, size):
    """Both ends together are asked for, not one of them."""
    return answer(window, stride, size) // 2


def mistake_all_strides(window, stride, size):
    """Between O places lie O - 1 strides, not O."""
    return answer(window, stride, size) + stride
