"""The work of attention

A self-attention layer looks at <side> x <side> pixels of <width> channels, with <heads> heads. Count the multiply-adds
of its two products, the scores and the mixing of the values, for one picture. Leave out the softmax and the four linear
layers. (A whole number.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "How many tokens are there? Every one looks at every one.",
    "A head's score is a sum of width / heads products, and there are that many heads: what does it come to for all?",
    "Scores: tokens x tokens x width. Mixing the values costs the same again.",
)


def answer(side, width, heads):
    return 2 * side**4 * width


def numbers(rng):
    heads = int(rng.choice([2, 4, 8]))
    return int(rng.choice([8, 12, 16, 24, 32, 48, 64])), heads * int(rng.choice([16, 32, 40, 64])), heads


def mistake_one_product(side, width, heads):
    """There are two products: the scores, and the values that are mixed by them."""
    return side**4 * width


def mistake_each_head_full(side, width, heads):
    """A head has only width / heads channels: all heads together cost what one of the full width would."""
    return 2 * side**4 * width * heads


def mistake_one_head(side, width, heads):
    """That is one head's work: count all heads."""
    return 2 * side**4 * width // heads


def mistake_side_as_tokens(side, width, heads):
    """The tokens are the pixels, and there are side x side of them."""
    return 2 * side**2 * width


def mistake_every_channel_with_every(side, width, heads):
    """Channels meet channels only in the linear layers: in the scores each meets its like."""
    return 2 * side**4 * width**2
