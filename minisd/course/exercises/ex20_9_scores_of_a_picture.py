"""Scores of a picture

A picture of <height> x <width> pixels becomes latents, 8 times smaller along each axis, of <channels> channels. They
are cut into patches of <p> x <p>, and each patch is a token. In self-attention every token looks at every token. How
many scores has one head? (A whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How many latents lie along each axis, and how many patches?",
    "Along an axis there are size / 8 / p patches; the tokens are those of the height times those of the width.",
    "The number of tokens, squared.",
)


def answer(height, width, channels, p):
    return (height // 8 // p * (width // 8 // p)) ** 2


def numbers(rng):
    height, width = (64 * int(n) for n in rng.integers(4, 17, 2))
    channels, p = ((4, 4), (16, 2))[int(rng.integers(2))]  # each mistake is another number then
    return height, width, channels, p


def mistake_tokens(height, width, channels, p):
    """That is how many tokens there are: every one looks at every one."""
    return height // 8 // p * (width // 8 // p)


def mistake_pixels(height, width, channels, p):
    """The patches are cut from the latents, 8 times smaller along each axis than the picture."""
    return (height // p * (width // p)) ** 2


def mistake_no_patches(height, width, channels, p):
    """A token is a patch of p x p latents: there are p x p times fewer."""
    return (height // 8 * (width // 8)) ** 2


def mistake_one_axis(height, width, channels, p):
    """The patch is p wide and p high: both axes become p times shorter."""
    return (height // 8 * (width // 8) // p) ** 2


def mistake_channels(height, width, channels, p):
    """The channels lie within a token, side by side: they make it longer, and no more of them."""
    return (channels * (height // 8 // p) * (width // 8 // p)) ** 2


def mistake_eight_once(height, width, channels, p):
    """The latents are 8 times smaller along each of the two axes."""
    return (height * width // 8 // p**2) ** 2


def mistake_pairs(height, width, channels, p):
    """How n looks at m is another score than how m looks at n, and a token looks at itself, too."""
    tokens = height // 8 // p * (width // 8 // p)
    return tokens * (tokens - 1) // 2
