"""The weights of a level

A level of a U-Net like Stable Diffusion's, going down, has <channels> channels and two residual blocks; the first
comes from <inputs> channels. The time vector has <time> numbers. How many parameters do the 3 x 3 convolutions of the
two blocks have together, with their biases, in millions? (Neither norms, nor linear layers, nor the 1 x 1 shortcut.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "Each residual block has two convolutions. How many channels go into each of the four?",
    "Only the first one takes `inputs`; the other three go from channels to channels.",
    "(9 inputs channels + 27 channels^2 + 4 channels) / 10^6.",
)


def answer(inputs, channels, time):
    return (9 * inputs * channels + 27 * channels**2 + 4 * channels) / 1e6


def numbers(rng):
    inputs = 32 * int(rng.integers(4, 20))
    return inputs, inputs + 32 * int(rng.integers(5, 20)), 4 * inputs


def mistake_one_convolution(inputs, channels, time):
    """A residual block has two convolutions, so the two blocks have four."""
    return (9 * inputs * channels + 9 * channels**2 + 2 * channels) / 1e6


def mistake_all_from_inputs(inputs, channels, time):
    """Only the very first convolution takes the channels of the level above: behind it there are `channels`."""
    return (18 * inputs * channels + 18 * channels**2 + 4 * channels) / 1e6


def mistake_all_of_the_level(inputs, channels, time):
    """The first convolution takes `inputs` channels in, those of the level above."""
    return (36 * channels**2 + 4 * channels) / 1e6


def mistake_not_millions(inputs, channels, time):
    """The answer is wanted in millions."""
    return 1e6 * answer(inputs, channels, time)


def mistake_with_the_time(inputs, channels, time):
    """The linear layers that tell the time are not asked for."""
    return answer(inputs, channels, time) + 2 * (time + 1) * channels / 1e6
