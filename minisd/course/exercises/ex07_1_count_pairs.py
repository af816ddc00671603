"""Which neighbours meet most often?

Byte-pair encoding begins with a text as words, each a row of symbols, and each so many times in the text. Count how
often each pair of neighbouring symbols occurs. A word that occurs 5 times counts 5 times; in "aaa" the pair (a, a)
occurs twice. Pairs do not reach from one word into the next.
"""

from collections import Counter
from itertools import pairwise

from minisd.text.tokenizer import count_pairs as in_library

POINTS, MINUTES = 1, 15
GIVEN = ("Counter", "pairwise")
HINTS = (
    "Do it on paper for one word, three times in the text: l, o, w</w>.",
    "itertools.pairwise(symbols) gives the pairs of one word, in order.",
    "A Counter starts at 0 for every key: add the word's count to each of its pairs.",
)


def count_pairs(words):
    """A dict: pair of symbols -> how often. `words` is a list of (symbols, count), symbols a tuple of texts."""
    return in_library(words)


def probe(count_pairs, words):
    found = count_pairs(words)
    return {" ".join(pair): n for pair, n in found.items()} if isinstance(found, dict) else found


def cases(rng, dtype):
    yield ([(("l", "o", "w</w>"), 3)],)
    yield ([(("l", "o", "w</w>"), 3), (("l", "o", "w", "er</w>"), 2)],)
    yield ([(("a", "a", "a", "a</w>"), 2), (("a", "b", "a</w>"), 1), (("b", "a</w>"), 7)],)
    yield ([(("x</w>",), 4), (("a", "x</w>"), 1)],)  # a word of one symbol has no pair
    yield ([(("x</w>",), 4)],)
    yield ([],)
    for _ in range(4):
        word = lambda: (*rng.choice(["a", "b", "ab"], rng.integers(1, 6)).tolist(), "a</w>")  # noqa: E731
        yield ([(word(), int(rng.integers(1, 9))) for _ in range(5)],)


def mistake_each_word_once(words):
    """You count each word once: a word that occurs 5 times adds 5 to each of its pairs."""
    return Counter(pair for symbols, _ in words for pair in pairwise(symbols))


def mistake_once_a_word(words):
    """A pair that occurs twice in a word counts twice: you count it once a word."""
    pairs = Counter[tuple[str, ...]]()
    for symbols, count in words:
        for pair in set(pairwise(symbols)):
            pairs[pair] += count
    return pairs


def mistake_across_words(words):
    """You count pairs of the last symbol of one word and the first of the next: a merge never crosses words."""
    pairs = Counter(pair for symbols, count in words for _ in range(count) for pair in pairwise(symbols))
    row = [symbol for symbols, _ in words for symbol in symbols]
    inside = Counter(pair for symbols, _ in words for pair in pairwise(symbols))
    return pairs + (Counter(pairwise(row)) - inside)


def mistake_not_overlapping(words):
    """In "aaa" the pair (a, a) occurs twice, at the first and at the second place: you skip the one that overlaps."""
    pairs = Counter[tuple[str, ...]]()
    for symbols, count in words:
        at = 0
        while at < len(symbols) - 1:
            pairs[symbols[at], symbols[at + 1]] += count
            same = symbols[at] == symbols[at + 1]
            at += 2 if same else 1
    return pairs


def mistake_order_forgotten(words):
    """(a, b) and (b, a) are two pairs: you count them as one."""
    pairs = Counter[tuple[str, ...]]()
    for symbols, count in words:
        for pair in pairwise(symbols):
            pairs[tuple(sorted(pair))] += count
    return pairs


def mistake_symbols_counted(words):
    """You count single symbols: wanted are pairs of neighbours."""
    singles = Counter[tuple[str, ...]]()
    for symbols, count in words:
        for symbol in symbols:
            singles[symbol,] += count
    return singles


def mistake_last_pair_missing(words):
    """The last pair of each word is missing: a word of n symbols has n - 1 pairs."""
    pairs = Counter[tuple[str, ...]]()
    for symbols, count in words:
        for at in range(len(symbols) - 2):
            pairs[symbols[at], symbols[at + 1]] += count
    return pairs


def right_by_place(words):
    found = dict[tuple[str, str], int]()
    for symbols, n in words:
        for at in range(1, len(symbols)):
            pair = symbols[at - 1 : at + 1]
            found[pair] = found.get(pair, 0) + n
    return found


def right_zipped(words):
    every = (pair for symbols, n in words for pair in list(pairwise(symbols)) * n)
    return dict(Counter(every))
