"""What the copies hold

A U-Net with <depth> poolings, padded convolutions and <base> channels at the top, twice as many a level below, reads
one picture of <size> x <size> pixels. At each level but the lowest the last map of the way down is kept, to be copied
to the other side. How many numbers are kept in all? (A whole number.)
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "How large is the top level's map, and how large is the one below?",
    "A pooling leaves a quarter of the pixels, and the channels double: half the numbers.",
    "sum over k = 0 .. depth - 1 of (size / 2^k)^2 * base * 2^k",
)


def answer(depth, base, size):
    return sum((size // 2**k) ** 2 * base * 2**k for k in range(depth))


def numbers(rng):
    return int(rng.integers(3, 6)), int(rng.integers(8, 65)), 32 * int(rng.integers(3, 17))


def mistake_lowest_too(depth, base, size):
    """The lowest level's map is not copied: it goes up itself."""
    return answer(depth + 1, base, size)


def mistake_channels_stay(depth, base, size):
    """The channels double at every pooling."""
    return sum((size // 2**k) ** 2 * base for k in range(depth))


def mistake_size_stays(depth, base, size):
    """A pooling halves height and width."""
    return sum(size**2 * base * 2**k for k in range(depth))


def mistake_top_only(depth, base, size):
    """That is the top level's copy; each level but the lowest has one."""
    return size**2 * base


def mistake_one_side_halved(depth, base, size):
    """A pooling halves height and width, both."""
    return sum(size * (size // 2**k) * base * 2**k for k in range(depth))
