r"""The way back up

A transposed convolution spreads each of I pixels over a window of F pixels, each S pixels after the one before. Then P
pixels are cut off at each end, and a are added at the end:

$$O = S\,(I - 1) + F - 2P + a$$

Write the function. Where nothing is left (O < 1), it raises a `ValueError`.
"""

from minisd_kernels.shapes import transposed_output_size as library

POINTS, MINUTES = 1, 5
HINTS = (
    "Where does the last pixel's window begin, and where does it end?",
    "The first window begins at 0, the last one at S (I - 1). It has F pixels. The padding is cut off at both ends.",
    "Compute stride * (size - 1) + window - 2 * padding + output_padding, and look whether it is below 1.",
)


def transposed_output_size(size, window, stride=1, padding=0, output_padding=0):
    """The number of pixels that come out, a whole number."""
    return library(size, window, stride, padding, output_padding=output_padding)


def cases(rng, dtype):
    yield 9, 4
    yield 28, 2, 2, 0, 0
    yield 4, 3, 2, 1, 0
    yield 4, 3, 2, 1, 1
    yield 1, 5, 3, 2, 2
    for _ in range(6):
        window, stride = int(rng.integers(2, 7)), int(rng.integers(2, 6))
        padding = int(rng.integers(0, (window + 1) // 2))
        yield int(rng.integers(2, 20)), window, stride, padding, int(rng.integers(0, stride))
    yield 1, 2, 1, 1, 0


def probe(transposed_output_size, size, window, *options):
    try:
        return transposed_output_size(size, window, *options)
    except ValueError:
        return "a ValueError"


def mistake_padding_once(size, window, stride=1, padding=0, output_padding=0):
    """The padding is cut off at both ends: twice P, not once."""
    return _or_error(stride * (size - 1) + window - padding + output_padding)


def mistake_padding_added(size, window, stride=1, padding=0, output_padding=0):
    """Here padding makes the result smaller: it undoes the padding of the convolution on the way down."""
    return stride * (size - 1) + window + 2 * padding + output_padding


def mistake_every_pixel_a_stride(size, window, stride=1, padding=0, output_padding=0):
    """Between I pixels there are I - 1 strides, not I."""
    return stride * size + window - 2 * padding + output_padding


def mistake_no_output_padding(size, window, stride=1, padding=0, output_padding=0):
    """The output padding a is forgotten: without it only one of the S possible sizes comes out."""
    return _or_error(stride * (size - 1) + window - 2 * padding)


def mistake_forward_formula(size, window, stride=1, padding=0, output_padding=0):
    """That is the size on the way down; here the question is the way up, where the stride multiplies."""
    return _or_error((size + 2 * padding - window) // stride + 1)


def mistake_no_error(size, window, stride=1, padding=0, output_padding=0):
    """Where less than one pixel is left, a ValueError is wanted."""
    return stride * (size - 1) + window - 2 * padding + output_padding


def _or_error(size):
    if size < 1:
        raise ValueError(size)
    return size


def right_counted(n, f, s=1, p=0, a=0):
    reached = [first + j for first in range(0, s * n, s) for j in range(f)]
    length = max(reached) + 1 - p - p + a
    if length <= 0:
        raise ValueError("nothing is left")
    return length


def right_inverted(size, window, stride=1, padding=0, output_padding=0):
    smallest = next(n for n in range(-50, 10_000) if (n + 2 * padding - window) // stride + 1 == size)
    if smallest + output_padding < 1:
        raise ValueError
    return smallest + output_padding
