"""How many times smaller is Z?

An autoencoder takes pictures of <size> x <size> x 3 numbers. Its encoder halves height and width <halvings> times, and
its latents have <channels> channels. How many times fewer numbers has Z than the picture?
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "Height and width are halved both: what becomes of the number of pixels?",
    "Each halving leaves a quarter of the pixels. Then count the channels.",
    "Numbers of the picture: size x size x 3. Numbers of Z: (size / 2^halvings)^2 x channels.",
)


def answer(size, halvings, channels):
    return size * size * 3 / ((size // 2**halvings) ** 2 * channels)


def numbers(rng):
    return 64 * int(rng.integers(3, 17)), int(rng.integers(2, 7)), int(rng.choice([2, 4, 5, 8, 16]))


def mistake_one_axis(size, halvings, channels):
    """Both height and width are halved: a halving leaves a quarter of the pixels, not a half."""
    return size * 3 / (size // 2**halvings * channels)


def mistake_no_channels(size, halvings, channels):
    """Z has several channels, and the picture has 3: count numbers, not pixels."""
    return 4**halvings


def mistake_grey(size, halvings, channels):
    """The picture has three channels of its own."""
    return 4**halvings / channels


def mistake_count_of_z(size, halvings, channels):
    """That is how many numbers Z has: the question is how many times fewer these are."""
    return (size // 2**halvings) ** 2 * channels
