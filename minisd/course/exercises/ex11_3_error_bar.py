"""An accuracy, and how sure one is

A judge read n drawings. `asked` and `read` hold the digits, of shape (n,). Write the function that gives the accuracy
$p$, the share that is read as asked, and the ends of its 95 % interval by Wilson (1927), with $z = 1.959964$:

$$\\frac{p + \\frac{z^2}{2n} \\mp z \\sqrt{\\frac{p (1 - p)}{n} + \\frac{z^2}{4 n^2}}}{1 + \\frac{z^2}{n}}$$

Unlike $p \\mp z \\sqrt{p (1 - p) / n}$ it is right for a p of 1, too: ten of ten do not prove that all will be right.
"""

import math

import numpy as np

from minisd.metrics import wilson_interval

POINTS, MINUTES = 2, 15
GIVEN = ("np", "math")
HINTS = (
    "The accuracy is the mean of asked == read.",
    "Three pieces: the middle, half the width, and what both are divided by.",
    "z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) is half the width, before the division by 1 + z * z / n.",
)


def accuracy(asked, read):
    """p, and the lower and the upper end: three numbers."""
    hits = int((asked == read).sum())
    return hits / len(asked), *wilson_interval(hits, len(asked))


def cases(rng, dtype):
    for count, share in ((10, 0.0), (200, 0.1), (50, 0.4), (1, 0.0), (7, 1.0), (30, 0.5)):
        asked = rng.integers(0, 10, count)
        yield asked, np.where(rng.random(count) < share, (asked + 1) % 10, asked)


def _ends(p, n, z):
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (p + z * z / (2 * n) - half) / (1 + z * z / n), (p + z * z / (2 * n) + half) / (1 + z * z / n)


def mistake_plain(asked, read):
    """That is the plain interval, which has no width at all when all are right: Wilson's has three terms more."""
    p, n = float(np.mean(asked == read)), len(asked)
    half = 1.959964 * math.sqrt(p * (1 - p) / n)
    return p, p - half, p + half


def mistake_one_sigma(asked, read):
    """Your z is 1, which gives 68 %; 95 % need 1.959964."""
    p = float(np.mean(asked == read))
    return p, *_ends(p, len(asked), 1.0)


def mistake_one_sided(asked, read):
    """z = 1.645 leaves 5 % on one side; here 2.5 % lie on each."""
    p = float(np.mean(asked == read))
    return p, *_ends(p, len(asked), 1.644854)


def mistake_wrong_ones(asked, read):
    """You count the wrong ones."""
    p = float(np.mean(asked != read))
    return p, *_ends(p, len(asked), 1.959964)


def mistake_not_divided(asked, read):
    """Both ends are divided by 1 + z^2 / n."""
    p, n = float(np.mean(asked == read)), len(asked)
    return p, *(end * (1 + 1.959964**2 / n) for end in _ends(p, n, 1.959964))


def mistake_middle(asked, read):
    """The interval's middle is not p: z^2 / 2n is added before the division."""
    p, n, z = float(np.mean(asked == read)), len(asked), 1.959964
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, p - half, p + half


def mistake_order(asked, read):
    """The lower end comes first, then the upper one."""
    p = float(np.mean(asked == read))
    low, high = _ends(p, len(asked), 1.959964)
    return p, high, low


def mistake_no_root(asked, read):
    """What stands behind z is a square root."""
    p, n, z = float(np.mean(asked == read)), len(asked), 1.959964
    half = z * (p * (1 - p) / n + z * z / (4 * n * n))
    return p, (p + z * z / (2 * n) - half) / (1 + z * z / n), (p + z * z / (2 * n) + half) / (1 + z * z / n)


def right_counted(asked, read):
    n = k = 0
    for a, r in zip(asked, read, strict=True):
        n, k = n + 1, k + (a == r)
    z = 1.959964
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    middle = (k + z * z / 2) / (n + z * z)
    return k / n, middle - half, middle + half


def right_roots(asked, read):
    """The ends are where (p - x)^2 = z^2 x (1 - x) / n."""
    p, n = (asked == read).mean(), asked.size
    c = 1.959964**2 / n
    low, high = sorted(np.roots([1 + c, -2 * p - c, p * p]).real)
    return p, low, high
