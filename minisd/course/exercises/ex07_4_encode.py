"""A word to identifiers

With the merges learned (07.3), a word is encoded: spell it, then join the pair of neighbours that stands first in the
list of merges, everywhere, and again, until none of its pairs is in the list. The symbols' identifiers are their places
in the vocabulary: 256 bytes, the same 256 as ends of words, then one symbol a merge.

`spell` and `vocabulary`, the symbols in their order, are given; and `merge_pair`, yours if you have written it.
"""

from itertools import pairwise

from minisd.course import mine
from minisd.text.tokenizer import END_OF_WORD, Tokenizer, byte_symbols, spell

merge_pair = mine("07.2")

POINTS, MINUTES = 3, 30
GIVEN = ("pairwise", "mine", "spell", "merge_pair", "vocabulary", "byte_symbols", "END_OF_WORD")
HINTS = (
    "With the merges (e, r) and (l, o): which is joined first in l, o, w, e, r? It does not matter here. When does it?",
    "Of all neighbours that are in the list take the one with the smallest place in it: its rank.",
    "In the end look every symbol up: vocabulary(merges).index(symbol), or a dict made of it once.",
)


def vocabulary(merges):
    """All symbols, in the order of their identifiers."""
    letters = list(byte_symbols().values())
    return [*letters, *(letter + END_OF_WORD for letter in letters), *(left + right for left, right in merges)]


def encode_word(word, merges):
    """The word's identifiers, a list of whole numbers; `merges` is a list of pairs."""
    return Tokenizer(merges).encode(word)


def cases(rng, dtype):
    low = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>"), ("lo", "w")]
    for word in ("low", "lower", "lowlow", "er", "w", "xyz"):
        yield word, low
    yield "low", []
    yield "七", [("ä", "¸")]
    yield "七", []
    yield "abc", [("b", "c</w>"), ("a", "b")]  # by rank, not from the left
    yield "abcd", [("b", "c"), ("a", "b"), ("c", "d</w>")]
    yield "abcd", [("a", "b"), ("b", "c")]
    yield "aaaa", [("a", "a"), ("aa", "a"), ("a", "a</w>"), ("aa", "aa</w>")]
    yield "aaaaa", [("a", "a"), ("a", "a</w>"), ("aa", "a"), ("aa", "aa</w>")]
    yield "abab", [("b", "a"), ("a", "b"), ("a", "b</w>"), ("ab", "ab</w>"), ("ba", "b</w>")]
    chosen = [("a", "b"), ("b", "c"), ("ab", "c"), ("c", "a"), ("bc", "a</w>"), ("ca", "b")]
    for word in ("".join(row.tolist()) for row in rng.choice(list("abc"), (6, 6))):
        yield word, chosen


def _encoded(word, merges, *, choose=min, rounds=99, spelled=spell, offset=0):
    """Encoding with one of its steps done in another way."""
    symbols, rank = tuple(spelled(word)), {pair: place for place, pair in enumerate(merges)}
    for _ in range(rounds):
        pairs = [pair for pair in pairwise(symbols) if pair in rank]
        if not pairs:
            break
        symbols = merge_pair(symbols, choose(pairs, key=rank.__getitem__))
    names = vocabulary(merges)
    return [names.index(symbol) + offset for symbol in symbols]


def mistake_from_the_left(word, merges):
    """You join the first pair from the left that is in the list: the one that stands first in the list goes first."""
    return _encoded(word, merges, choose=lambda pairs, key: pairs[0])


def mistake_last_merge_first(word, merges):
    """You begin with the last merges: they were learned in order, and the first goes first."""
    return _encoded(word, merges, choose=max)


def mistake_one_merge(word, merges):
    """You join one pair and stop: go on until no pair of neighbours is in the list."""
    return _encoded(word, merges, rounds=1)


def mistake_no_end_of_word(word, merges):
    """The last symbol is the end of the word and has an identifier of its own: spell marks it."""
    return _encoded(word, merges, spelled=lambda word: [s.removesuffix("</w>") for s in spell(word)])


def mistake_special_first(word, merges):
    """Your identifiers are two too large: the special symbols come last in the vocabulary, not first."""
    return _encoded(word, merges, offset=2)


def mistake_longest_piece(word, merges):
    """You take the longest piece that is in the vocabulary, from the left: byte-pair encoding repeats the merges."""
    names, text, ids = vocabulary(merges), spell(word), []
    while text:
        width = next(n for n in range(len(text), 0, -1) if "".join(text[:n]) in names)
        ids.append(names.index("".join(text[:width])))
        text = text[width:]
    return ids


def mistake_code_points(word, merges):
    """Identifiers are places in the vocabulary, where "!" is 0: you took the numbers of the characters."""
    return [ord(symbol[0]) if len(symbol.removesuffix("</w>")) == 1 else number
            for symbol, number in zip(_symbols(word, merges), _encoded(word, merges), strict=True)]  # fmt: skip


def _symbols(word, merges):
    names = vocabulary(merges)
    return [names[i] for i in _encoded(word, merges)]


def right_merge_after_merge(word, merges):
    symbols = spell(word)
    for pair in merges:
        symbols = merge_pair(symbols, pair)
    place = {symbol: i for i, symbol in enumerate(vocabulary(merges))}
    return [place[symbol] for symbol in symbols]


def right_by_index(word, merges):
    row = list(spell(word))
    while True:
        ranked = sorted((merges.index(p), p) for p in pairwise(row) if p in merges)
        if not ranked:
            return [vocabulary(merges).index(symbol) for symbol in row]
        best, at = ranked[0][1], 0
        while at < len(row) - 1:
            if (row[at], row[at + 1]) == best:
                row[at : at + 2] = ["".join(best)]
            at += 1
