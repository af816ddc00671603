"""Which rank is enough

A weight's change has many singular values, each <percent>% of the one before. Which rank must a LoRA have at least, so
that the nearest change of that rank misses no more than <miss>% of the whole change's length? (Length is the root of
the sum of squares, and the singular values may count as endlessly many. A whole number.)
"""

import math

POINTS, MINUTES = 2, 15
HINTS = (
    "The nearest change of rank r leaves out s_(r+1), s_(r+2) and so on: what is the sum of their squares?",
    "All of them are q times those before. So the sum of squares from s_(r+1) on is q^(2r) of the sum of all.",
    "The missing length is q^r of the whole: the smallest r with q^r <= miss, ln(miss) / ln(q) rounded up.",
)


def answer(percent, miss):
    return math.ceil(math.log(miss / 100) / math.log(percent / 100))


def numbers(rng):
    return int((60, 70, 75, 80, 85, 90)[int(rng.integers(6))]), int((2, 3, 4, 6, 8, 12)[int(rng.integers(6))])


def mistake_squares(percent, miss):
    """That is enough for the squared length; of the length itself a root is to be taken, and twice the rank needed."""
    return math.ceil(math.log(miss / 100) / math.log(percent / 100) / 2)


def mistake_rounded_down(percent, miss):
    """With that rank it still misses a little more than it may: round up."""
    return answer(percent, miss) - 1


def mistake_one_more(percent, miss):
    """One less is enough: rank r leaves out s_(r+1) and what follows, and s_(r+1) is q^r of s_1, not q^(r+1)."""
    return answer(percent, miss) + 1


def mistake_kept(percent, miss):
    """That rank holds only the part that may be missed; it is to miss no more than that."""
    return math.ceil(math.log(1 - miss / 100) / math.log(percent / 100))
