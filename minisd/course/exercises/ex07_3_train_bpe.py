"""Learn the merges

Byte-pair encoding is learned from texts (Sennrich, Haddow and Birch 2016). Begin with every word spelled in bytes,
then, over and over: count all pairs, take the commonest, join it everywhere. The list of the pairs that were joined, in
order, is the tokenizer.

Of equally common pairs the smallest is joined, as Python orders pairs of texts: by the first symbol, then by the
second. It ends when there are `count` merges, or earlier, when no word has two symbols left.

`clean` and `split_words` make words of a text, `spell` makes the symbols of a word: those are given, and so are
`count_pairs` (07.1) and `merge_pair` (07.2), yours if you have written them.
"""

from collections import Counter
from itertools import pairwise

from minisd.course import mine
from minisd.text.tokenizer import Tokenizer, clean, spell, split_words

count_pairs = mine("07.1")
merge_pair = mine("07.2")

POINTS, MINUTES = 8, 90
GIVEN = ("Counter", "pairwise", "mine", "clean", "spell", "split_words", "count_pairs", "merge_pair")
HINTS = (
    "Count the words first: a Counter over all texts. A word is spelled once, however often it occurs.",
    "min with key=lambda pair: (-pairs[pair], pair) finds the commonest pair, and the first of equally common ones.",
    "After each choice every word is merged anew, and the next count sees the new symbols.",
)


def train_bpe(texts, count):
    """The merges, best first: a list of at most `count` pairs of symbols."""
    return Tokenizer.train(texts, 514 + count).merges


def probe(train_bpe, texts, count):
    return [list(pair) for pair in train_bpe(texts, count)]


def cases(rng, dtype):
    yield ["low low low lower lowest newer newest"], 8
    yield ["low", "LOWER low", "  lower\nlowest"], 5
    yield ["aaa aaaa aa", "a"], 4
    yield ["ba ab ba ab"], 3
    yield ["a b c", "d"], 5  # nothing to join
    yield [], 3
    yield ["one two"], 0
    yield ["one one two"], 100  # everything is joined long before
    yield ["sieben sieben füße 七七 七七 七七"], 9
    yield ["it's 77 o'clock", "it's it's 7"], 6
    letters = rng.choice(list("abc"), (12, 4))
    yield ["".join(row[: rng.integers(1, 5)].tolist()) for row in letters for _ in range(2)], 6
    yield [" ".join("".join(row.tolist()) for row in rng.choice(list("ab"), (9, 3)))], 10


def _trained(texts, count, *, best=None, again=True, once=False, split=None, spelled=None, start=(), merge=None):
    """Training with one of its steps done in another way."""
    split = split or (lambda text: split_words(clean(text)))
    counted = Counter(word for text in texts for word in split(text))
    words = [((spelled or spell)(word), 1 if once else n) for word, n in counted.items()]
    merges = list(start)
    first = count_pairs(words)
    for _ in range(count):
        pairs = count_pairs(words) if again else first
        pairs = {pair: n for pair, n in pairs.items() if again or pair not in merges}
        if not pairs:
            break
        merges.append((best or _commonest)(pairs))
        words = [((merge or merge_pair)(symbols, merges[-1]), n) for symbols, n in words]
    return merges


def _commonest(pairs):
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def mistake_counted_once(texts, count):
    """You count the pairs once, at the start: after each merge there are new symbols, and other pairs are commonest."""
    return _trained(texts, count, again=False)


def mistake_each_word_once(texts, count):
    """Each word counts once in yours, however often it occurs in the texts."""
    return _trained(texts, count, once=True)


def mistake_first_seen(texts, count):
    """Of equally common pairs the first in alphabetical order is joined: you join the one that was met first."""
    return _trained(texts, count, best=lambda pairs: max(pairs, key=lambda pair: pairs[pair]))


def mistake_last_in_order(texts, count):
    """Of equally common pairs you join the last in alphabetical order: the first is wanted."""
    return _trained(texts, count, best=lambda pairs: max(pairs, key=lambda pair: (pairs[pair], pair)))


def mistake_rarest(texts, count):
    """You join the rarest pair: the commonest is wanted."""
    return _trained(texts, count, best=lambda pairs: min(pairs, key=lambda pair: (pairs[pair], pair)))


def mistake_not_cleaned(texts, count):
    """Texts are cleaned first: upper and lower case are one word."""
    return _trained(texts, count, split=split_words)


def mistake_split_at_spaces(texts, count):
    """You split at spaces: split_words also parts signs and single digits from letters."""
    return _trained(texts, count, split=lambda text: clean(text).split())


def mistake_characters(texts, count):
    """A word begins as bytes, not as characters: spell makes two symbols of an umlaut and three of a Chinese sign."""
    return _trained(texts, count, spelled=lambda word: (*word[:-1], word[-1] + "</w>"))


def mistake_no_end_of_word(texts, count):
    """The last symbol of a word carries its mark </w>, as spell writes it: without it "low" and "lower" begin alike."""
    return _trained(texts, count, spelled=lambda word: tuple(s.removesuffix("</w>") for s in spell(word)))


def mistake_one_too_many(texts, count):
    """There is one merge too many: stop when there are `count`."""
    return _trained(texts, count + 1)


def mistake_joined_symbols(texts, count):
    """A list of pairs is wanted: yours holds the joined symbols, and nobody can tell where they were joined."""
    return [(left + right,) for left, right in _trained(texts, count)]


def mistake_pairs_that_meet_twice(texts, count):
    """You stop when no pair occurs twice: go on until no word has two symbols left, or `count` is reached."""

    def best(pairs):
        return _commonest(pairs)

    merges = _trained(texts, count, best=best)
    counted = Counter(word for text in texts for word in split_words(clean(text)))
    words, kept = [(spell(word), n) for word, n in counted.items()], []
    for pair in merges:
        if count_pairs(words)[pair] < 2:
            break
        kept.append(pair)
        words = [(merge_pair(symbols, pair), n) for symbols, n in words]
    return kept


def right_sorted(texts, count):
    words = dict[str, int]()
    for text in texts:
        for word in split_words(clean(text)):
            words[word] = words.get(word, 0) + 1
    rows = {word: list(spell(word)) for word in words}
    merges = list[tuple[str, str]]()
    while len(merges) < count:
        found = dict[tuple[str, str], int]()
        for word, row in rows.items():
            for left, right in pairwise(row):
                found[left, right] = found.get((left, right), 0) + words[word]
        if not found:
            break
        pair = sorted(found.items(), key=lambda item: (-item[1], item[0]))[0][0]
        merges.append(pair)
        for row in rows.values():
            at = 0
            while at < len(row) - 1:
                if (row[at], row[at + 1]) == pair:
                    row[at : at + 2] = [row[at] + row[at + 1]]
                at += 1
    return merges


def right_recursive(texts, count, words=None):
    if words is None:
        words = [spell(word) for text in texts for word in split_words(clean(text))]
    pairs = Counter(pair for word in words for pair in pairwise(word))
    if count <= 0 or not pairs:
        return []
    most = max(pairs.values())
    pair = min(p for p in pairs if pairs[p] == most)
    return [pair, *right_recursive(texts, count - 1, [merge_pair(tuple(word), pair) for word in words])]
