"""What the maps of a larger picture take

While a network learns, it keeps its maps until the gradient comes back. One keeps, at its own full size, <maps> maps of
<channels> channels; each level below has half the side and the same number of maps with as many channels. It has three
levels and is shown pictures of <side> x <side>, a batch of <batch>, in float32. Now it is to learn at <factor> times
the side, with the same batch. How many bytes more do the maps take than before? (A whole number.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "How many numbers has one map of the first level? And of the second, with half the side?",
    "The three levels together: side^2 (1 + 1/4 + 1/16). What becomes of it at factor times the side?",
    "4 batch maps channels (1 + 1/4 + 1/16) side^2 (factor^2 - 1).",
)


def answer(side, channels, maps, batch, factor):
    return _bytes(factor * side, channels, maps, batch) - _bytes(side, channels, maps, batch)


def _bytes(side, channels, maps, batch, each=4, levels=(1, 2, 4)):
    return sum(each * batch * maps * channels * (side // smaller) ** 2 for smaller in levels)


def numbers(rng):
    side, channels = 4 * int(rng.integers(5, 17)), 16 * int(rng.integers(1, 5))
    return side, channels, int(rng.integers(5, 14)), 8 * int(rng.integers(1, 5)), int(rng.integers(2, 5))


def mistake_all_of_it(side, channels, maps, batch, factor):
    """That is what they take then: what they take more is asked."""
    return _bytes(factor * side, channels, maps, batch)


def mistake_factor_not_squared(side, channels, maps, batch, factor):
    """Factor times the side is factor squared times the pixels."""
    return _bytes(side, channels, maps, batch) * (factor - 1)


def mistake_first_level_alone(side, channels, maps, batch, factor):
    """The levels below keep their maps, too."""
    each = 4 * batch * maps * channels
    return each * ((factor * side) ** 2 - side**2)


def mistake_half_a_level(side, channels, maps, batch, factor):
    """Half the side is a quarter of the pixels, not half of them."""
    each = 4 * batch * maps * channels * side**2 * (factor**2 - 1)
    return each + each // 2 + each // 4


def mistake_numbers(side, channels, maps, batch, factor):
    """A number in float32 takes 4 bytes."""
    return answer(side, channels, maps, batch, factor) // 4


def mistake_one_picture(side, channels, maps, batch, factor):
    """Every picture of the batch has its own maps."""
    return answer(side, channels, maps, 1, factor)


def mistake_same_below(side, channels, maps, batch, factor):
    """The levels below are smaller: half the side each time."""
    return 3 * 4 * batch * maps * channels * side**2 * (factor**2 - 1)
