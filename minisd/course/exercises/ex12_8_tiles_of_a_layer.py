"""How many multiplications are left

A convolution with windows of 3 x 3, stride 1 and padding 1 is computed by Winograd's F(<m>x<m>, 3x3). Its input has
<height> x <width> pixels and <channels> channels, its output as many pixels and <outputs> channels. Tiles that reach
over the edge are computed whole. How many multiplications of transformed data with transformed weights are made for one
picture? (A whole number. What the transforms take is not counted.)
"""

from math import ceil

POINTS, MINUTES = 2, 10
HINTS = (
    "How many tiles of m x m cover the output? Rows and columns of tiles are rounded up, each on its own.",
    "A tile takes (m + 2)^2 multiplications for every input channel and every output channel.",
    "ceil(height / m) ceil(width / m) (m + 2)^2 C O.",
)


def answer(m, height, width, channels, outputs):
    return ceil(height / m) * ceil(width / m) * (m + 2) ** 2 * channels * outputs


def numbers(rng):
    m = int(rng.choice([2, 4, 6]))
    height, width = (m * int(n) + int(r) for n, r in zip(rng.integers(2, 6, 2), rng.integers(1, m, 2), strict=True))
    return m, height, width, 8 * int(rng.integers(2, 9)), 8 * int(rng.integers(9, 17))


def mistake_no_edge(m, height, width, channels, outputs):
    """The last row and the last column of tiles reach over the edge: round up."""
    return height // m * (width // m) * (m + 2) ** 2 * channels * outputs


def mistake_fractions_of_tiles(m, height, width, channels, outputs):
    """A tile that reaches over the edge is computed whole, not in part."""
    return height * width * (m + 2) ** 2 // m**2 * channels * outputs


def mistake_plain(m, height, width, channels, outputs):
    """These are the plain sum's: 9 for each output pixel and pair of channels."""
    return height * width * 9 * channels * outputs


def mistake_one_axis(m, height, width, channels, outputs):
    """F(m x m, 3 x 3) takes (m + 2)^2 multiplications a tile: along both axes."""
    return ceil(height / m) * ceil(width / m) * (m + 2) * channels * outputs


def mistake_no_outputs(m, height, width, channels, outputs):
    """Every output channel has weights of its own: multiply by their number, too."""
    return ceil(height / m) * ceil(width / m) * (m + 2) ** 2 * channels
