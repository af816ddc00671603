"""What is taken for what

A confusion table counts, in row i and column j, how many of the drawings that were asked to be an i the judge read as a
j. On its diagonal stands what is right. Write the function that makes it of `asked` and `read`, both of shape (n,).
"""

import numpy as np

POINTS, MINUTES = 1, 10
HINTS = (
    "A table of zeros, and one more in it for every drawing.",
    "Adding 1 with a pair of index arrays counts every place once, however often it comes.",
    "A loop over the pairs, or np.add.at, whose indices may be a pair of arrays.",
)


def confusion(asked, read, classes=10):
    """The counts, whole numbers of shape (classes, classes)."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (asked, read), 1)
    return table


def cases(rng, dtype):
    for count, classes, share in ((40, 10, 0.3), (25, 4, 0.8), (12, 3, 0.5), (0, 2, 0.5)):
        asked = rng.integers(0, classes, count)
        read = np.where(rng.random(count) < share, rng.integers(0, classes, count), asked)
        yield (asked, read) if classes == 10 else (asked, read, classes)
    yield np.array([1, 1, 1]), np.array([2, 2, 0]), 5


def mistake_transposed(asked, read, classes=10):
    """What was asked names the row, what was read the column."""
    return confusion(read, asked, classes)


def mistake_each_once(asked, read, classes=10):
    """A place that comes often is counted once only: += with a list of places adds to each of them once."""
    table = np.zeros((classes, classes), np.int64)
    table[asked, read] += 1
    return table


def mistake_right_ones_alone(asked, read, classes=10):
    """The wrong ones count, too, beside the diagonal."""
    return confusion(asked[asked == read], read[asked == read], classes)


def mistake_wrong_ones_alone(asked, read, classes=10):
    """The right ones count, too, on the diagonal."""
    return confusion(asked[asked != read], read[asked != read], classes)


def mistake_shares(asked, read, classes=10):
    """Counts are wanted, whole numbers, not shares of a row."""
    table = confusion(asked, read, classes)
    return table / np.maximum(1, table.sum(axis=1, keepdims=True))


def mistake_always_10(asked, read, classes=10):
    """The table has as many rows as there are classes, which need not be 10."""
    return confusion(asked, read, 10)


def mistake_as_many_as_seen(asked, read, classes=10):
    """A class that does not come has a row, too, of zeros."""
    return confusion(asked, read, int(max(asked.max(initial=-1), read.max(initial=-1))) + 1)


def right_loop(asked, read, classes=10):
    table = [[0] * classes for _ in range(classes)]
    for a, r in zip(asked, read, strict=True):
        table[a][r] += 1
    return np.array(table)


def right_bincount(asked, read, classes=10):
    return np.bincount(asked * classes + read, minlength=classes**2).reshape(classes, classes)


def right_product(asked, read, classes=10):
    one_hot = np.eye(classes, dtype=int)
    return one_hot[asked].T @ one_hot[read]
