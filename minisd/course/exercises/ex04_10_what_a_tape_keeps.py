"""What a tape keeps

A network reads <pictures> pictures of <size> x <size> pixels with <channels> channels, in float32. It has <layers>
layers, each a 3 x 3 convolution (with padding 1, and as many channels out as in) and a ReLU behind it. For the way back
a convolution keeps its input, and a ReLU its output. How many bytes are kept, if an array that two of them keep counts
once, and weights do not count? (A whole number.)
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "Draw two layers. Which arrays are there, and who keeps which?",
    "A ReLU's output is the next convolution's input: one array, kept by both. What comes out of a convolution nobody "
    "keeps.",
    "the input and one array a layer: (layers + 1) * pictures * size * size * channels numbers of 4 bytes",
)


def answer(pictures, size, channels, layers):
    return (layers + 1) * pictures * size**2 * channels * 4


def numbers(rng):
    return int(rng.integers(2, 17)), int(rng.integers(7, 30)), 8 * int(rng.integers(1, 9)), int(rng.integers(3, 12))


def mistake_numbers(pictures, size, channels, layers):
    """A number of float32 has 4 bytes."""
    return answer(pictures, size, channels, layers) // 4


def mistake_counted_twice(pictures, size, channels, layers):
    """A ReLU's output is the next convolution's input: one array, which counts once."""
    return 2 * layers * pictures * size**2 * channels * 4


def mistake_input_forgotten(pictures, size, channels, layers):
    """The first convolution keeps the pictures themselves."""
    return layers * pictures * size**2 * channels * 4


def mistake_one_picture(pictures, size, channels, layers):
    """All pictures of the batch are kept, not one."""
    return (layers + 1) * size**2 * channels * 4


def mistake_everything(pictures, size, channels, layers):
    """What comes out of a convolution is kept by nobody: the ReLU keeps its own output."""
    return (2 * layers + 1) * pictures * size**2 * channels * 4
