"""One merge

Join every occurrence of a pair in a word into one symbol, from left to right. Of "a a a" with the pair (a, a) the first
two are joined; what was joined is not looked at again.
"""

from minisd.text.tokenizer import merge as in_library

POINTS, MINUTES = 2, 20
GIVEN = ()
HINTS = (
    "Walk along the word with a place that sometimes moves by one and sometimes by two.",
    "If the symbol here and the next one are the pair, append both as one text and go two further.",
    "Take care at the end: the last symbol has no next one, and it must not be lost.",
)


def merge_pair(symbols, pair):
    """The word's symbols afterwards, a tuple; `symbols` is a tuple of texts, `pair` a tuple of two."""
    return in_library(symbols, pair)


def cases(rng, dtype):
    yield ("l", "o", "w", "e", "r</w>"), ("l", "o")
    yield ("l", "o", "w", "e", "r</w>"), ("e", "r</w>")
    yield ("l", "o", "w</w>"), ("o", "l")
    yield ("a", "a", "a"), ("a", "a")
    yield ("a", "a", "a", "a"), ("a", "a")
    yield ("a", "a", "a", "a", "a", "b</w>"), ("a", "a")
    yield ("a", "b", "a", "b", "c", "a", "b</w>"), ("a", "b")
    yield ("a", "b", "ab", "a", "b"), ("a", "b")
    yield ("ab", "c", "a", "bc"), ("a", "bc")  # the same letters, other symbols
    yield ("ab", "c"), ("a", "bc")
    yield ("a</w>",), ("a", "b")
    yield ("a", "a", "b", "a", "a", "b"), ("a", "b")
    for _ in range(4):
        word = rng.choice(["a", "b"], rng.integers(3, 9)).tolist()
        yield tuple(word), ("a", "b")
        yield tuple(word), ("b", "b")


def probe(merge_pair, symbols, pair):
    merged = merge_pair(symbols, pair)
    kind = type(merged).__name__
    return {"a tuple, as a word is": kind if kind in ("list", "str") else "tuple", "symbols": merged}


def mistake_first_only(symbols, pair):
    """You join the first occurrence only: all of them are joined."""
    for at in range(len(symbols) - 1):
        if symbols[at : at + 2] == pair:
            return (*symbols[:at], "".join(pair), *symbols[at + 2 :])
    return symbols


def mistake_last_lost(symbols, pair):
    """The last symbol gets lost when it is not part of a pair."""
    merged, at = [], 0
    while at < len(symbols) - 1:
        joined = symbols[at : at + 2] == pair
        merged.append(symbols[at] + symbols[at + 1] if joined else symbols[at])
        at += 2 if joined else 1
    return tuple(merged)


def mistake_moves_by_one(symbols, pair):
    """After a join the second symbol is still there: go on behind it."""
    merged = []
    for at in range(len(symbols)):
        merged.append("".join(pair) if symbols[at : at + 2] == pair else symbols[at])
    return tuple(merged)


def mistake_from_the_right(symbols, pair):
    """You join from right to left: of "a a a" the first two belong together."""
    turned = in_library(tuple(symbols[::-1]), pair[::-1])
    return tuple("".join(pair) if s == "".join(pair[::-1]) else s for s in turned[::-1])


def mistake_text_replaced(symbols, pair):
    """You replace in the text: letters of other symbols, which look like the pair by chance, get joined."""
    text = "".join(symbols)
    joined, merged, at = "".join(pair), [], 0
    while at < len(text):
        width = len(joined) if text.startswith(joined, at) else 1
        merged.append(text[at : at + width])
        at += width
    return tuple(merged)


def mistake_either_order(symbols, pair):
    """You join the pair in either order: (b, a) is another pair than (a, b)."""
    merged, at = [], 0
    while at < len(symbols):
        joined = symbols[at : at + 2] in (pair, pair[::-1])
        merged.append("".join(symbols[at : at + 2]) if joined else symbols[at])
        at += 2 if joined else 1
    return tuple(merged)


def mistake_one_text(symbols, pair):
    """A tuple of symbols is wanted: you join them all to one text."""
    return "".join(in_library(symbols, pair))


def mistake_not_joined(symbols, pair):
    """The two of a pair become one text: you make a symbol of them that is a pair still."""
    merged = in_library(symbols, pair)
    return tuple(pair if s == "".join(pair) and s not in symbols else s for s in merged)


def right_with_a_list(symbols, pair):
    left = list(symbols)
    at = 0
    while at + 1 < len(left):
        if (left[at], left[at + 1]) == tuple(pair):
            left[at : at + 2] = [left[at] + left[at + 1]]
        at += 1
    return tuple(left)


def right_skipping(symbols, pair):
    out, skip = [], False
    for here, following in zip(symbols, (*symbols[1:], None), strict=True):
        if skip:
            skip = False
        elif (here, following) == pair:
            out.append(here + following)
            skip = True
        else:
            out.append(here)
    return tuple(out)
