"""How many places a window has

A window of F pixels is laid on a row of I pixels that was made longer by P at each end. It begins at 0 and moves by S
as long as it fits. Write the function that counts its places:

$$O = \\left\\lfloor \\frac{I + 2P - F}{S} \\right\\rfloor + 1$$
"""

from minisd_kernels.shapes import window_output_size

POINTS, MINUTES = 1, 5
HINTS = (
    "Lay a window of 3 on a row of 8 with stride 2, on paper. Where does the last one begin?",
    "The last place is the largest multiple of S that is at most I + 2P - F. Python's // rounds down.",
    "The row has size + 2 * padding pixels; from its first to its last place lie that many less the window's.",
)


def output_size(size, window, stride=1, padding=0):
    """The number of places, a whole number."""
    return window_output_size(size, window, stride, padding)


def cases(rng, dtype):
    yield 572, 3, 1, 0
    yield 572, 3, 1, 1
    yield 568, 2, 2, 0
    for _ in range(6):
        window = int(rng.integers(1, 6))
        yield window + int(rng.integers(0, 30)), window, int(rng.integers(1, 5)), int(rng.integers(0, window))


def mistake_padding_once(size, window, stride=1, padding=0):
    """The padding lies at both ends: it makes the row 2P longer, not P."""
    return (size + padding - window) // stride + 1


def mistake_no_padding(size, window, stride=1, padding=0):
    """Padding lies on both sides: it makes the row 2P longer."""
    return (size - window) // stride + 1


def mistake_no_one(size, window, stride=1, padding=0):
    """The place at 0 counts, too: divide, then add 1."""
    return (size + 2 * padding - window) // stride


def mistake_not_floored(size, window, stride=1, padding=0):
    """The division has a remainder, and no half places are there: round down."""
    return (size + 2 * padding - window) / stride + 1


def mistake_rounded_up(size, window, stride=1, padding=0):
    """You round up: a window that reaches over the end does not count."""
    return -(-(size + 2 * padding - window) // stride) + 1


def right_counted(n, k, s=1, p=0):
    return sum(1 for first in range(0, n + 2 * p, s) if first + k <= n + 2 * p)


def right_divmod(size, window, stride=1, padding=0):
    whole, _ = divmod(size + 2 * padding - window, stride)
    return whole + 1
