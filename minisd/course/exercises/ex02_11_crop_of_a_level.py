"""The crop of a level

The paper's U-Net has 4 poolings, and at each level 2 convolutions of 3 x 3 without padding, down and up. Yours has
<depth> poolings and <convolutions> convolutions a level, and a picture that fits. How many rows does the copy at the
uppermost level lose, before and behind together? (A whole number; the paper's loses 176.)
"""

from minisd_kernels.shapes import UNetShape

POINTS, MINUTES = 3, 20
HINTS = (
    "The copy is larger because what comes up has lost rows at every convolution below. Count them in rows of the top.",
    "A row lost k levels below the top is 2^k rows of the top. Every level below has a way down and, but for the "
    "lowest, a way up.",
    "With L = 2 * convolutions rows a level: levels 1 to depth - 1 lose 2 L 2^k each, the lowest one L 2^depth.",
)


def answer(depth, convolutions):
    shape = UNetShape(depth=depth, convolutions=convolutions)
    return sum(shape.levels(shape.smallest)[0].crop)


def numbers(rng):
    return int(rng.integers(2, 8)), int(rng.integers(1, 6))


def mistake_one_side(depth, convolutions):
    """That is what is lost on each side; both together are asked for."""
    return answer(depth, convolutions) // 2


def mistake_whole_net(depth, convolutions):
    """The convolutions of the uppermost level's way up come after the copy is put beside, and those of its way down
    before the copy is made: neither makes them differ."""
    return UNetShape(depth=depth, convolutions=convolutions).margin


def mistake_way_down_only(depth, convolutions):
    """What comes up has lost rows on the way up, too."""
    return 2 * convolutions * (2 ** (depth + 1) - 2)


def mistake_rows_of_their_level(depth, convolutions):
    """A row that is lost below a pooling is two rows of the level above: double at every step up."""
    return 2 * convolutions * (2 * depth - 1)
