"""The price of im2col

<pictures> pictures of <size> x <size> pixels with <channels> channels go through a convolution of <window> x <window>
with stride <stride> and no padding. How many numbers has the matrix of its windows, with every window as a row? (A
whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How many rows are there, and how many numbers has each?",
    "A row for every output pixel of every picture. A row holds one window, with all its channels.",
    "pictures * ((size - window) // stride + 1) ** 2 * window ** 2 * channels",
)


def answer(pictures, size, channels, window, stride):
    return pictures * ((size - window) // stride + 1) ** 2 * window**2 * channels


def numbers(rng):
    return int(rng.integers(2, 9)), int(rng.integers(14, 33)), int(rng.integers(3, 40)), int(rng.choice([3, 5])), 2


def mistake_stride_forgotten(pictures, size, channels, window, stride):
    """With a stride there are fewer windows."""
    return pictures * (size - window + 1) ** 2 * window**2 * channels


def mistake_channels_forgotten(pictures, size, channels, window, stride):
    """A row holds the window's pixels with all their channels."""
    return pictures * ((size - window) // stride + 1) ** 2 * window**2


def mistake_one_picture(pictures, size, channels, window, stride):
    """That is one picture's."""
    return ((size - window) // stride + 1) ** 2 * window**2 * channels


def mistake_as_large_as_the_picture(pictures, size, channels, window, stride):
    """Windows overlap: a pixel is copied into every window that holds it."""
    return pictures * size**2 * channels


def mistake_no_one(pictures, size, channels, window, stride):
    """The window at 0 counts, too: divide, round down, add 1."""
    return pictures * ((size - window) // stride) ** 2 * window**2 * channels
