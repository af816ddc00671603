"""What a small picture leaves open

A picture of <side> x <side> pixels is the area mean of a large one: each of its pixels is the mean of <factor> x
<factor> pixels. A pixel may be anything from 0, black, to 255, white. <black> pixels of the small picture are exactly
0, <white> exactly 255, and all others are grey. How many numbers of the large picture can still be chosen, within
limits, once the small picture is known? A mean fixes one number of its block: the others decide it. (A whole number.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "When is the mean of 16 numbers between 0 and 255 exactly 0?",
    "A black pixel's block is black all over, and a white one's white: nothing is open there.",
    "(side^2 - black - white) (factor^2 - 1).",
)


def answer(side, factor, black, white):
    return (side**2 - black - white) * (factor**2 - 1)


def numbers(rng):
    side = int(rng.integers(16, 41))
    black, white = int(side**2 * rng.uniform(0.5, 0.8)), int(side**2 * rng.uniform(0.02, 0.12))
    return side, int(rng.integers(2, 7)), black, white


def mistake_all_pixels(side, factor, black, white):
    """A black or a white pixel says all of its block: a mean at the end of the range leaves no choice."""
    return side**2 * (factor**2 - 1)


def mistake_no_mean(side, factor, black, white):
    """Each block's mean is known: all of its numbers but one may be chosen."""
    return (side**2 - black - white) * factor**2


def mistake_white_is_open(side, factor, black, white):
    """White blocks are known, too: 255 is the mean only of numbers that are all 255."""
    return (side**2 - black) * (factor**2 - 1)


def mistake_black_is_open(side, factor, black, white):
    """Black blocks are known, too: 0 is the mean only of numbers that are all 0."""
    return (side**2 - white) * (factor**2 - 1)


def mistake_one_axis(side, factor, black, white):
    """A block has factor x factor pixels."""
    return (side**2 - black - white) * (factor - 1)
