r"""Which sizes become this one

The size formula throws a remainder away, so several sizes I give the same O. Write the function that lists them, from
the smallest to the largest. Sizes below 1 do not count.
"""

from minisd_kernels.shapes import input_sizes as library

POINTS, MINUTES = 2, 15
HINTS = (
    "Which sizes become 4 with F = 3, S = 2 and P = 1? How many are there for another stride?",
    "Solve for the I that leaves no remainder. The next S - 1 sizes leave 1, 2, ... and give the same O.",
    "The smallest is stride * (output - 1) + window - 2 * padding; the largest is stride - 1 more.",
)


def input_sizes(output, window, stride=1, padding=0):
    """A list of whole numbers, all the sizes that become `output`."""
    return list(library(output, window, stride, padding))


def cases(rng, dtype):
    yield 4, 3, 2, 1
    yield 388, 3, 1, 0
    yield 284, 2, 2, 0
    yield 1, 5, 4, 2
    yield 1, 3, 4, 2
    for _ in range(6):
        window = int(rng.integers(2, 7))
        yield int(rng.integers(2, 30)), window, int(rng.integers(2, 6)), int(rng.integers(0, window // 2 + 1))


def _smallest(output, window, stride, padding):
    return stride * (output - 1) + window - 2 * padding


def _listed(start, count):
    return [size for size in range(start, start + count) if size >= 1]


def mistake_one_only(output, window, stride=1, padding=0):
    """That is the one without a remainder; the floor lets S - 1 more become the same."""
    return _listed(_smallest(output, window, stride, padding), 1)


def mistake_one_too_many(output, window, stride=1, padding=0):
    """The last one is too large: there one more window fits. There are S sizes, not S + 1."""
    return _listed(_smallest(output, window, stride, padding), stride + 1)


def mistake_downwards(output, window, stride=1, padding=0):
    """A remainder makes the size larger: the size without one is the smallest, and you took it for the largest."""
    return _listed(_smallest(output, window, stride, padding) - stride + 1, stride)


def mistake_padding_once(output, window, stride=1, padding=0):
    """The padding lies at both ends: the picture itself is 2P smaller."""
    return _listed(_smallest(output, window, stride, padding) + padding, stride)


def mistake_output_strides(output, window, stride=1, padding=0):
    """Between O places lie O - 1 strides."""
    return _listed(_smallest(output, window, stride, padding) + stride, stride)


def mistake_below_one(output, window, stride=1, padding=0):
    """A picture of 0 pixels is none: leave out sizes below 1."""
    start = _smallest(output, window, stride, padding)
    return list(range(start, start + stride))


def right_tried(o, f, s=1, p=0):
    return [n for n in range(1, s * o + f + 1) if n + 2 * p >= f and (n + 2 * p - f) // s + 1 == o]


def right_from_the_largest(output, window, stride=1, padding=0):
    largest = stride * output + window - 2 * padding - 1
    sizes = [largest - less for less in range(stride)]
    return [size for size in sizes[::-1] if size > 0]
