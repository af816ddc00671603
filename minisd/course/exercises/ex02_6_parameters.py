"""How many weights

A convolution with <outputs> filters of <window> x <window> pixels reads a map of <inputs> channels. It has a bias. How
many numbers does it learn? (A whole number.)
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "What does one filter read, and how many filters are there?",
    "A filter spans all channels of its window. Each filter has one bias.",
    "outputs * (window * window * inputs + 1)",
)


def answer(window, inputs, outputs):
    return outputs * (window * window * inputs + 1)


def numbers(rng):
    return int(rng.choice([3, 5, 7])), int(rng.integers(3, 60)), int(rng.integers(61, 130))


def mistake_no_bias(window, inputs, outputs):
    """The bias is learned, too: one number for each filter."""
    return outputs * window * window * inputs


def mistake_one_channel(window, inputs, outputs):
    """A filter spans all channels of the map, not one."""
    return outputs * (window * window + 1)


def mistake_one_bias(window, inputs, outputs):
    """Each filter has a bias of its own."""
    return outputs * window * window * inputs + 1


def mistake_one_side(window, inputs, outputs):
    """The window has two sides."""
    return outputs * (window * inputs + 1)


def mistake_bias_for_each_input(window, inputs, outputs):
    """There is a bias for each output channel, not for each input channel."""
    return outputs * window * window * inputs + inputs
