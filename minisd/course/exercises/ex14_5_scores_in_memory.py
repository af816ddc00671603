"""Scores in memory

Stable Diffusion draws a picture of <height> x <width> pixels. The highest level of its U-Net works on the latents, 8
times smaller along each axis, and each of their pixels is a token of the self-attention, with <heads> heads. If all
scores were kept at once, in numbers of 2 bytes, how many mebibytes (2^20 bytes) would they take?
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How many tokens are there? And how many scores in one head?",
    "(height / 8)(width / 8) tokens; a head has that number squared.",
    "2 heads N^2 / 2^20 with N = height width / 64.",
)


def answer(height, width, heads):
    return 2 * heads * (height // 8 * (width // 8)) ** 2 / 2**20


def numbers(rng):
    height, width = (64 * int(n) for n in rng.integers(6, 17, 2))
    return height, width, int(rng.integers(5, 21))


def mistake_one_head(height, width, heads):
    """Each head has scores of its own."""
    return answer(height, width, 1)


def mistake_of_four_bytes(height, width, heads):
    """A number has 2 bytes here."""
    return 2 * answer(height, width, heads)


def mistake_of_pixels(height, width, heads):
    """The tokens are the latents' pixels, not the picture's: 64 times fewer."""
    return 2 * heads * (height * width) ** 2 / 2**20


def mistake_not_squared(height, width, heads):
    """Every token meets every other: their number is squared."""
    return 2 * heads * (height // 8 * (width // 8)) / 2**20


def mistake_megabytes(height, width, heads):
    """Those are megabytes of 10^6 bytes; mebibytes of 2^20 are asked for."""
    return answer(height, width, heads) * 2**20 / 1e6
