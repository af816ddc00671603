"""Tokens after merges

A word of <letters> different letters, no letter twice, is spelled in symbols: one a letter, the last one marked as the
end. Of its pairs of neighbouring letters the list of merges holds those at the places <first>, <second>, <third> and
<fourth>, in this order of rank, and no others. Place 1 is the pair of the first and the second letter. How many tokens
is the word in the end? (A whole number.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "Draw the letters in a row, and an arc over each pair that is in the list.",
    "A letter that was joined is gone as a single letter: a later merge that needs it finds nothing.",
    "Each join makes one token fewer. Two places that differ by 1 share a letter.",
)


def answer(letters, first, second, third, fourth):
    joined: list[int] = []
    for place in (first, second, third, fourth):
        if all(abs(place - other) != 1 for other in joined):
            joined.append(place)
    return letters - len(joined)


def numbers(rng):
    letters, at = int(rng.integers(8, 20)), int(rng.integers(1, 4))
    orders = ((0, 1, 2, 4), (1, 0, 2, 4), (1, 2, 0, 4), (2, 1, 3, 4), (3, 0, 1, 2), (0, 2, 1, 3), (4, 3, 2, 1))
    return letters, *(at + place for place in orders[int(rng.integers(len(orders)))])


def mistake_every_merge(letters, first, second, third, fourth):
    """Not every merge finds its pair: a letter that is part of a joined symbol is no longer there by itself."""
    return letters - 4


def mistake_letters(letters, first, second, third, fourth):
    """You count the letters: each join makes one token of two."""
    return letters


def mistake_one_token(letters, first, second, third, fourth):
    """The joins do not make one symbol of the whole: the other letters stay, each a token."""
    return 1


def mistake_end_counted(letters, first, second, third, fourth):
    """The mark of the end is no token of its own: it is part of the last symbol."""
    return answer(letters, first, second, third, fourth) + 1
