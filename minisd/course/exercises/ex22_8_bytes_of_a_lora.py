"""What a LoRA's file holds

A U-Net has <convolutions> convolutions of 3 x 3 from <channels> to <channels> channels, and <blocks> attention layers
of <channels> channels, each with four linear layers: query, key, value and output. A LoRA of rank <r> is trained for
all of them and saved in float32. How many bytes do its numbers take? (A whole number; leave out names and alphas.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "Count for one convolution first: A is (3, 3, C, r), B is (r, C).",
    "A linear layer of the attention has r (C + C) numbers, and there are four in each.",
    "4 r (convolutions (9 C + C) + blocks 4 (C + C)): float32 takes 4 bytes.",
)


def answer(convolutions, channels, blocks, r):
    return 4 * r * (convolutions * 10 * channels + blocks * 8 * channels)


def numbers(rng):
    convolutions, blocks = (2 * int(rng.integers(3, 13)) + 1 for _ in range(2))  # odd: no two mistakes are the same
    return convolutions, 32 * int(rng.integers(2, 21)), blocks, 2 ** int(rng.integers(1, 5))


def mistake_numbers(convolutions, channels, blocks, r):
    """That is how many numbers there are; each takes 4 bytes."""
    return answer(convolutions, channels, blocks, r) // 4


def mistake_half(convolutions, channels, blocks, r):
    """In float16 it would be so; a number in float32 takes 4 bytes, not 2."""
    return answer(convolutions, channels, blocks, r) // 2


def mistake_no_window(convolutions, channels, blocks, r):
    """A convolution's A reads a window of 9 C numbers, not C."""
    return 4 * r * (convolutions * 2 * channels + blocks * 8 * channels)


def mistake_window_twice(convolutions, channels, blocks, r):
    """B takes one pixel at a time: the window is A's alone."""
    return 4 * r * (convolutions * 18 * channels + blocks * 8 * channels)


def mistake_one_linear_layer(convolutions, channels, blocks, r):
    """An attention layer has four linear layers, each with a LoRA of its own."""
    return 4 * r * (convolutions * 10 * channels + blocks * 2 * channels)


def mistake_whole(convolutions, channels, blocks, r):
    """That are the weights themselves; the LoRA is r (inputs + outputs) for each."""
    return 4 * channels**2 * (9 * convolutions + 4 * blocks)


def mistake_first_alone(convolutions, channels, blocks, r):
    """Each weight has two thin matrices: B counts, too."""
    return 4 * r * channels * (9 * convolutions + 4 * blocks)
