"""Where attention takes over

In a block of width <width>, the linear layers are those of the self-attention (four, from the width to the width) and
of the perceptron (from the width to <expansion> times as much, and back). Their work grows with the number of tokens.
The work of the scores, and of mixing the values by them, grows with its square. At how many tokens do these two
together take as many multiply-adds as all the linear layers? (Neither prompt nor condition are counted.)
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "What do N tokens cost in a linear layer from D to D? And what do N x N scores cost, each a product of D numbers?",
    "Linear layers: N D D, four times, and N D e D twice. Scores and mixing: N N D each.",
    "4 N D^2 + 2 e N D^2 = 2 N^2 D: divide by 2 N D.",
)


def answer(width, expansion):
    return (2 + expansion) * width


def numbers(rng):
    return 8 * int(rng.integers(8, 160)), int(rng.choice([2, 3, 4, 6]))


def mistake_attention_alone(width, expansion):
    """The perceptron's two layers are linear, too: count them with the others."""
    return 2 * width


def mistake_perceptron_alone(width, expansion):
    """The attention's four linear layers are missing: query, key, value and output."""
    return expansion * width


def mistake_scores_alone(width, expansion):
    """Mixing the values takes as many multiply-adds as the scores: count both."""
    return 2 * (2 + expansion) * width


def mistake_perceptron_once(width, expansion):
    """The perceptron goes to the wider middle and back: two layers."""
    return (4 + expansion) * width // 2


def mistake_without_output(width, expansion):
    """Query, key and value are three; behind the heads stands a fourth."""
    return (3 + 2 * expansion) * width / 2


def mistake_squared_width(width, expansion):
    """You have N N D on one side and N D D on the other: what is left of D?"""
    return (2 + expansion) * width**2


def mistake_wide_to_wide(width, expansion):
    """The perceptron's layers have D times e D weights, not the square of e D."""
    return (2 + expansion**2) * width
