r"""What a pixel sees

Behind a chain of layers a pixel sees a piece of the picture, its receptive field. Two numbers follow it: how many
pixels r it sees, and how far j apart two neighbours' pieces begin. For the picture itself r = 1 and j = 1. A layer with
window F and stride S makes of them

$$r' = r + (F - 1)\,j, \qquad j' = S\,j$$

Write the function for a chain, given as a list of (F, S), the layer next to the picture first.
"""

from minisd_kernels.shapes import ReceptiveField

POINTS, MINUTES = 2, 10
HINTS = (
    "Draw two 3 x 3 convolutions, one above the other. How many pixels does the upper one's window reach?",
    "Go through the list with two variables. A window of F reaches over F - 1 steps of the layer below, each j wide.",
    "For every (F, S): first r += (F - 1) * j, then j *= S. The layer's own stride counts for the next layers only.",
)


def receptive_field(layers):
    """(r, j): how many pixels one output pixel sees, and how far apart in the picture two neighbours begin."""
    field = ReceptiveField.of_input()
    for window, stride in layers:
        field = field.through_window(window, stride)
    return field.size, int(field.stride)


def cases(rng, dtype):
    yield ([(3, 1)],)
    yield ([(3, 1), (3, 1)],)
    yield ([(3, 1), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2), (3, 1)],)
    yield ([(4, 2), (3, 1), (4, 2), (1, 1)],)
    yield ([],)
    yield ([(1, 3), (5, 1)],)
    for _ in range(5):
        count = int(rng.integers(3, 7))
        yield ([(int(rng.integers(1, 6)), int(rng.integers(1, 4))) for _ in range(count)],)


def mistake_strides_ignored(layers):
    """Behind a layer of stride S the next window's steps are S times as wide in the picture."""
    size, jump = 1, 1
    for window, stride in layers:
        size += window - 1
        jump *= stride
    return size, jump


def mistake_own_stride(layers):
    """A layer's own stride does not widen its own window: it counts from the next layer on."""
    size, jump = 1, 1
    for window, stride in layers:
        jump *= stride
        size += (window - 1) * jump
    return size, jump


def mistake_whole_window(layers):
    """A window of F adds F - 1 steps: one of its pixels was counted already."""
    size, jump = 1, 1
    for window, stride in layers:
        size += window * jump
        jump *= stride
    return size, jump


def mistake_from_nothing(layers):
    """A pixel of the picture sees itself: r begins at 1, not at 0."""
    size, jump = receptive_field(layers)
    return size - 1, jump


def mistake_strides_added(layers):
    """Strides multiply: behind two layers of stride 2 neighbours are 4 apart. You add them."""
    size, jump = 1, 1
    for window, stride in layers:
        size += (window - 1) * jump
        jump += stride - 1
    return size, jump


def mistake_from_the_top(layers):
    """The list begins at the picture; you go through it from its other end."""
    return receptive_field(layers[::-1])


def right_two_numbers(chain):
    r = j = 1
    for f, s in chain:
        r, j = r + (f - 1) * j, j * s
    return [r, j]


def right_from_above(layers):
    size, jump = 1, 1
    for window, stride in reversed(layers):
        size = (size - 1) * stride + window
        jump *= stride
    return size, jump
