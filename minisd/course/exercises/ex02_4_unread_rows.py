r"""The rows that nobody reads

The floor in the size formula drops a remainder: so many rows at the end of the padded picture are read by no window.
The padding at the end lies outermost, so its P rows go first; only what is more than P are rows of the picture itself.

Write the function that counts the picture's rows behind the last window. (With a stride larger than the window rows
between two windows go unread, too. They are not asked for.)
"""

from minisd_kernels.shapes import unread_rows as library

POINTS, MINUTES = 2, 10
HINTS = (
    "Lay a window of 3 with stride 2 on 8 rows. Where does it end? Now with one row of padding at each end.",
    "The last window begins at a multiple of S. What lies behind its end is the remainder of (I + 2P - F) by S.",
    "remainder = (size + 2 * padding - window) % stride; the last `padding` of these rows are no rows of the picture.",
)


def unread_rows(size, window, stride=1, padding=0):
    """How many of the picture's own rows lie behind the last window, a whole number of at least 0."""
    return max(0, library(size, window, stride, padding) - padding)


def cases(rng, dtype):
    yield 8, 3
    yield 8, 3, 2, 0
    yield 8, 3, 2, 1
    yield 9, 3, 2, 0
    yield 11, 4, 5, 1
    yield 15, 2, 7, 1
    yield 12, 3, 1, 2
    for _ in range(8):
        window, stride = int(rng.integers(1, 6)), int(rng.integers(2, 9))
        yield window + int(rng.integers(0, 40)), window, stride, int(rng.integers(0, 3))


def mistake_padding_counts(size, window, stride=1, padding=0):
    """The padding's rows are no rows of the picture: those that lie behind the last window do not count."""
    return (size + 2 * padding - window) % stride


def mistake_below_zero(size, window, stride=1, padding=0):
    """Less than no row cannot go unread: the least is 0."""
    return (size + 2 * padding - window) % stride - padding


def mistake_padding_once(size, window, stride=1, padding=0):
    """The padding lies at both ends: the padded picture has I + 2P rows."""
    return max(0, (size + padding - window) % stride - padding)


def mistake_window_forgotten(size, window, stride=1, padding=0):
    """The windows' first rows are multiples of S, not their ends: the window's size must be taken off."""
    return max(0, (size + 2 * padding) % stride - padding)


def mistake_by_the_window(size, window, stride=1, padding=0):
    """Windows begin S apart, not F: it is the remainder by the stride."""
    return max(0, (size + 2 * padding - window) % window - padding)


def mistake_both_paddings_off(size, window, stride=1, padding=0):
    """Only the padding at the end lies behind the last window: take off P, not 2P."""
    return max(0, (size + 2 * padding - window) % stride - 2 * padding)


def right_by_marking(n, f, s=1, p=0):
    last = 0
    while last + s + f <= n + 2 * p:
        last += s
    behind = range(last + f, n + 2 * p)
    return len([row for row in behind if row < p + n])


def right_by_formula(size, window, stride=1, padding=0):
    places = (size + 2 * padding - window) // stride + 1
    end = stride * (places - 1) + window - padding
    return size - end if end < size else 0
