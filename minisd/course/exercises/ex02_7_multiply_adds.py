"""How much work

A convolution of <window> x <window>, without padding and with stride 1, makes <outputs> channels of a map of
<size> x <size> pixels with <inputs> channels. How many multiply-adds does it take for one picture, leaving the bias
aside? (A whole number.)
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "How many numbers come out, and how many products does each of them sum?",
    "Without padding fewer pixels come out than went in.",
    "(size - window + 1) squared, times outputs, times window squared, times inputs",
)


def answer(window, size, inputs, outputs):
    return (size - window + 1) ** 2 * outputs * window**2 * inputs


def numbers(rng):
    return int(rng.choice([3, 5])), int(rng.integers(14, 40)), int(rng.integers(2, 30)), int(rng.integers(31, 70))


def mistake_size_stays(window, size, inputs, outputs):
    """Without padding the map that comes out is smaller than the one that goes in."""
    return size**2 * outputs * window**2 * inputs


def mistake_no_inputs(window, size, inputs, outputs):
    """Each output sums over all channels that come in, too."""
    return (size - window + 1) ** 2 * outputs * window**2


def mistake_weights_only(window, size, inputs, outputs):
    """That is the number of weights; each of them is used at every place of the window."""
    return outputs * window**2 * inputs


def mistake_two_operations(window, size, inputs, outputs):
    """A multiply-add is one multiplication with its addition: do not count them apart."""
    return 2 * answer(window, size, inputs, outputs)


def mistake_one_side(window, size, inputs, outputs):
    """The window moves along two axes."""
    return (size - window + 1) * outputs * window**2 * inputs
