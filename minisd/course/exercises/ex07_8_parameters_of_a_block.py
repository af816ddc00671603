"""Parameters of a transformer block

CLIP's text encoder is made of blocks. Each has two layer norms, with a scale and a shift a channel; four linear layers
of attention, for query, key, value and output, each width x width with a bias; and a perceptron of two linear layers
with biases, which is <expansion> times as wide inside. How many parameters has one block of width <width>? (A whole
number.)
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "A linear layer from A to B numbers has A x B weights and B biases.",
    "Norms: 2 x 2 x width. Attention: 4 (width^2 + width). And the perceptron?",
    "It goes from width to expansion x width and back: count both matrices, and both biases, which are unequally long.",
)


def answer(width, expansion):
    inner = expansion * width
    return 2 * 2 * width + 4 * (width * width + width) + width * inner + inner + inner * width + width


def numbers(rng):
    return 64 * int(rng.integers(2, 17)), int(rng.integers(2, 7))


def mistake_no_biases(width, expansion):
    """The biases are missing: each linear layer has one number more for each output."""
    return 4 * width + 4 * width**2 + 2 * expansion * width**2


def mistake_no_norms(width, expansion):
    """The two norms have parameters, too: a scale and a shift a channel."""
    return 4 * (width * width + width) + 2 * expansion * width**2 + expansion * width + width


def mistake_three_matrices(width, expansion):
    """Attention has four matrices: query, key, value, and the one that mixes the heads at the end."""
    return answer(width, expansion) - width**2 - width


def mistake_perceptron_one_way(width, expansion):
    """The perceptron has two matrices: one makes it wider, one narrower again."""
    return answer(width, expansion) - expansion * width**2 - width


def mistake_wide_bias_twice(width, expansion):
    """The perceptron's second bias is as long as its output: the width, not the inner one."""
    return answer(width, expansion) + (expansion - 1) * width
