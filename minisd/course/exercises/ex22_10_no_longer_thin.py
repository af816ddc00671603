"""When thin is no longer thin

A convolution of <window> x <window> leads from <inputs> channels to <outputs>. Which is the largest rank at which a
LoRA's two matrices together still have fewer numbers than the convolution's weight? (A whole number; nothing has a
bias.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "Write down both counts: kh kw C O of the weight, and r times something.",
    "r (kh kw C + O) < kh kw C O. Which is the largest whole r?",
    "(kh kw C O - 1) // (kh kw C + O).",
)


def answer(window, inputs, outputs):
    rows = window * window * inputs
    return (rows * outputs - 1) // (rows + outputs)


def numbers(rng):
    return 3 + 2 * int(rng.integers(2)), 8 * int(rng.integers(2, 7)), 8 * int(rng.integers(8, 25))


def mistake_one_more(window, inputs, outputs):
    """At that rank they have as many as the weight, or more: the largest with fewer is one less."""
    return answer(window, inputs, outputs) + 1


def mistake_no_window(window, inputs, outputs):
    """The window counts: the weight is a matrix of kh kw C rows, and so is A."""
    return (inputs * outputs - 1) // (inputs + outputs)


def mistake_full_rank(window, inputs, outputs):
    """That is the largest rank that the change can have; A and B are no longer thin before that."""
    return min(window * window * inputs, outputs)


def mistake_window_of_the_weight_alone(window, inputs, outputs):
    """A has a row for each number of the window, too: r (kh kw C + O), not r (C + O)."""
    return (window * window * inputs * outputs - 1) // (inputs + outputs)
