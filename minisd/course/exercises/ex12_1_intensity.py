"""Operations a byte

How many operations does a convolution do for each byte that it must read or write at least once? A multiplication and
an addition are an operation each; its picture, its weight and its output are read or written once. Every number of the
output is a sum over the whole window and all input channels:

$$I = \\frac{2\\; |y|\\; k_h k_w C}{\\text{bytes of } x + \\text{bytes of } weight + \\text{bytes of } y}$$

The shapes are (B, H, W, C) of `x`, (kh, kw, C, O) of `weight` and (B, P, Q, O) of `y`; a number has `itemsize` bytes.
"""

from math import prod

POINTS, MINUTES = 1, 10
HINTS = (
    "The output's shape already says what stride and padding have done: take it as it is.",
    "An output number takes kh kw C products, and as many additions: 2 kh kw C operations.",
    "prod(y) counts the output's numbers; the bytes are itemsize times the numbers of all three arrays.",
)
GIVEN = ("prod",)


def intensity(x, weight, y, itemsize=4):
    """Operations a byte, from the three shapes."""
    kh, kw, C, _ = weight
    return 2 * prod(y) * kh * kw * C / (itemsize * (prod(x) + prod(weight) + prod(y)))


def cases(rng, dtype):
    yield (1, 8, 9, 3), (3, 3, 3, 5), (1, 8, 9, 5)
    yield (2, 64, 64, 320), (3, 3, 320, 320), (2, 64, 64, 320), 2
    for _ in range(4):
        B, P, Q, C, O, kh, kw, stride = (int(n) for n in rng.integers(2, 9, 8))
        yield (B, stride * P, Q + kw, C), (kh, kw, C, O), (B, P, Q, O), int(rng.choice([2, 4, 8]))


def mistake_one_operation(x, weight, y, itemsize=4):
    """A product and its addition are two operations: the factor 2 is missing."""
    return intensity(x, weight, y, itemsize) / 2


def mistake_no_weight(x, weight, y, itemsize=4):
    """The weight is read, too: its bytes are missing."""
    kh, kw, C, _ = weight
    return 2 * prod(y) * kh * kw * C / (itemsize * (prod(x) + prod(y)))


def mistake_no_output(x, weight, y, itemsize=4):
    """The output is written, too: its bytes are missing."""
    kh, kw, C, _ = weight
    return 2 * prod(y) * kh * kw * C / (itemsize * (prod(x) + prod(weight)))


def mistake_numbers_not_bytes(x, weight, y, itemsize=4):
    """These are operations a number, not a byte: a number has itemsize bytes."""
    return intensity(x, weight, y, 1)


def mistake_no_window(x, weight, y, itemsize=4):
    """Every output sums over the whole window, kh times kw places, not over one pixel."""
    kh, kw, _, _ = weight
    return intensity(x, weight, y, itemsize) / (kh * kw)


def mistake_no_channels(x, weight, y, itemsize=4):
    """Every output sums over all C input channels: the factor C is missing."""
    return intensity(x, weight, y, itemsize) / weight[2]


def mistake_every_input(x, weight, y, itemsize=4):
    """The window stands once for each number of the output, not of the input."""
    kh, kw, C, _ = weight
    return 2 * prod(x) * kh * kw * C / (itemsize * (prod(x) + prod(weight) + prod(y)))


def right_counted(x_shape, weight_shape, y_shape, itemsize=4):
    B, P, Q, O = y_shape
    operations = 0
    for _ in range(O):
        operations += 2 * B * P * Q * weight_shape[0] * weight_shape[1] * weight_shape[2]
    moved = 0
    for shape in (x_shape, weight_shape, y_shape):
        moved += shape[0] * shape[1] * shape[2] * shape[3] * itemsize
    return operations / moved


def right_by_weight(x, weight, y, itemsize=4):
    multiply_adds = prod(weight) * prod(y[:3])
    return multiply_adds / itemsize * 2 / sum(map(prod, (x, weight, y)))
