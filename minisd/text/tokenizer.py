"""Byte-level byte-pair encoding, the tokenizer of CLIP (Sennrich et al. 2016; Radford et al. 2019, 2021).

A text is cleaned and split into words; a word is a row of symbols, one for each byte of its UTF-8 form, the last one
marked as the end of a word with `</w>`. Then the best-ranked pair of neighbours is merged into one symbol, over and
over, until no pair of the merge list is left. Training finds that list: the commonest pair first.

Identifiers, in CLIP's order: 256 bytes, the same 256 with `</w>`, one for each merge, start, end.
"""

import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")

_FORMAT = "minisd byte-pair encoding 1"


class TokenizerError(ValueError):
    """A tokenizer file or an argument that cannot be used: the message says what is wrong and what to do."""


class TokenBatch(NamedTuple):
    """Framed prompts: ids int64 (B, M), and for each prompt the text that did not fit."""

    ids: NDArray[np.int64]
    dropped: list[str]


def clean(text: str) -> str:
    """HTML escapes undone (twice), white space collapsed, lower case.

    Differs: OpenAI's code also repairs wrongly decoded text with the package ftfy.

    >>> clean("  Tom &amp;amp; JERRY ")
    'tom & jerry'
    """
    text = html.unescape(html.unescape(text)).encode("utf-8", "replace").decode("utf-8")  # lone surrogates become ?
    return re.sub(r"\s+", " ", text).strip().lower()


def split_words(text: str) -> Iterator[str]:
    """The words of a cleaned text: specials, English contractions, runs of letters, single digits, runs of the rest.

    >>> list(split_words("it's 42 o'clock!!"))
    ['it', "'s", '4', '2', 'o', "'", 'clock', '!!']
    """
    at = 0
    while at < len(text):
        fixed = next((word for word in (START, END, *CONTRACTIONS) if text.startswith(word, at)), None)
        kind = _kind(text[at])
        end = at + len(fixed or text[at])
        if not fixed and kind in ("letter", "other"):
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != "space":
            yield text[at:end]
        at = end


def _kind(character: str) -> str:
    if character.isspace():
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(character)[0], "other")


def byte_symbols() -> dict[int, str]:
    """A printable character for each byte, in the order of CLIP's identifiers.

    The 188 printable characters of Latin-1 stand for themselves and come first; the other 68 bytes borrow the
    characters from U+0100 on, so that a merge list is readable text.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


_SYMBOL = byte_symbols()
_BYTE = {symbol: byte for byte, symbol in _SYMBOL.items()}


def spell(word: str) -> tuple[str, ...]:
    """The symbols of a word's bytes, the last one marked as the end.

    >>> spell("one")
    ('o', 'n', 'e</w>')
    """
    symbols = [_SYMBOL[byte] for byte in word.encode("utf-8")]
    return (*symbols[:-1], symbols[-1] + END_OF_WORD)


def count_pairs(words: Iterable[tuple[Sequence[str], int]]) -> Counter[tuple[str, str]]:
    """How often each pair of neighbours stands in the words, of which each comes so many times.

    >>> count_pairs([(("o", "n", "e</w>"), 2), (("o", "n</w>"), 1)])
    Counter({('o', 'n'): 2, ('n', 'e</w>'): 2, ('o', 'n</w>'): 1})
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for symbols, count in words:
        for pair in pairwise(symbols):
            pairs[pair] += count
    return pairs


def merge(symbols: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    """Every occurrence of the pair joined, from left to right: of "a a a" the first two.

    >>> merge(("a", "a", "a", "b</w>"), ("a", "a"))
    ('aa', 'a', 'b</w>')
    """
    out: list[str] = []
    at = 0
    while at < len(symbols):
        if tuple(symbols[at : at + 2]) == pair:
            out.append(symbols[at] + symbols[at + 1])
            at += 2
        else:
            out.append(symbols[at])
            at += 1
    return tuple(out)


class Tokenizer:
    """Text to identifiers and back, given a merge list (best rank first).

    >>> tokenizer = Tokenizer([("o", "n"), ("on", "e</w>")])
    >>> tokenizer.encode("One!"), tokenizer.decode([513])
    ([513, 256], 'one')
    >>> tokenizer.size, tokenizer.start, tokenizer.end
    (516, 514, 515)

    Raises:
        TokenizerError: a merge uses a symbol that does not exist at its rank.
    """

    def __init__(self, merges: Iterable[tuple[str, str]]) -> None:
        self.merges = list(merges)
        self.symbols = [*_SYMBOL.values(), *(symbol + END_OF_WORD for symbol in _SYMBOL.values())]
        known = set(self.symbols)
        for rank, (left, right) in enumerate(self.merges):
            if left not in known or right not in known or left.endswith(END_OF_WORD):
                raise TokenizerError(
                    f"merge {rank} joins {left!r} and {right!r}; wanted two symbols that the bytes or "
                    f"earlier merges make, the left one without {END_OF_WORD}"
                )
            self.symbols.append(left + right)
            known.add(left + right)
        self.symbols += [START, END]
        self._rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self._id = {symbol: i for i, symbol in enumerate(self.symbols)}
        self._words: dict[str, list[int]] = {}  # words met before

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int = 640) -> "Tokenizer":
        """A tokenizer of at most `vocabulary_size` symbols whose merges are the commonest pairs of the texts.

        Of equally common pairs the first in alphabetical order is merged. The vocabulary ends up smaller when every
        word has become a single symbol.

        Raises:
            TokenizerError: the vocabulary has no room for the 512 byte symbols and the 2 specials.
        """
        room = vocabulary_size - 2 * len(_SYMBOL) - 2
        if room < 0:
            raise TokenizerError(
                f"vocabulary_size is {vocabulary_size}; wanted at least 514: 512 byte symbols, start and end"
            )
        counts = Counter(word for text in texts for word in split_words(clean(text)) if word not in (START, END))
        words = [(spell(word), count) for word, count in counts.items()]
        merges: list[tuple[str, str]] = []
        while len(merges) < room and (pairs := count_pairs(words)):
            best = min(pairs, key=lambda pair: (-pairs[pair], pair))
            merges.append(best)
            words = [(merge(symbols, best), count) for symbols, count in words]
        return cls(merges)

    @property
    def size(self) -> int:
        """Number of identifiers, V."""
        return len(self.symbols)

    @property
    def start(self) -> int:
        """Identifier of the start token."""
        return self.size - 2

    @property
    def end(self) -> int:
        """Identifier of the end token."""
        return self.size - 1

    def encode(self, text: str) -> list[int]:
        """Identifiers of a text, without start, end or padding."""
        return [i for word in split_words(clean(text)) for i in self._encode_word(word)]

    def _encode_word(self, word: str) -> list[int]:
        if word in (START, END):
            return [self._id[word]]
        if word not in self._words:
            symbols = spell(word)
            while True:
                pairs = [pair for pair in pairwise(symbols) if pair in self._rank]
                if not pairs:
                    break
                symbols = merge(symbols, min(pairs, key=self._rank.__getitem__))
            self._words[word] = [self._id[symbol] for symbol in symbols]
        return self._words[word]

    def decode(self, ids: Iterable[int]) -> str:
        """The words of the identifiers, a space between them; start and end tokens are left out.

        A text comes back cleaned and with spaces between all its words ("seven!" as "seven !").

        Raises:
            TokenizerError: an identifier is outside the vocabulary.
        """
        symbols = []
        for i in ids:
            if not 0 <= i < self.size:
                raise TokenizerError(f"decode: identifier {i} is outside the vocabulary, 0 to {self.size - 1}")
            if i < self.start:
                symbols.append(self.symbols[i])
        words = "".join(symbols).replace(END_OF_WORD, " ")
        return b"".join(b" " if c == " " else bytes([_BYTE[c]]) for c in words).decode("utf-8", "replace").strip()

    def frame(self, text: str, context_length: int, padding: int | None = None) -> tuple[list[int], str]:
        """The text between start and end, filled up to `context_length`, and what did not fit.

        It is filled up with `padding`, or with end marks as in SD 1.x; SD 2.x takes 0. What did not fit begins with the
        first word of which a token is missing.

        Raises:
            TokenizerError: there is no room for the start and the end token.

        >>> Tokenizer([]).frame("7 8 9", 4)
        ([512, 278, 279, 513], '9')
        """
        if context_length < 2:
            raise TokenizerError(
                f"context_length is {context_length}; wanted at least 2, for the start and the end token"
            )
        room = context_length - 2
        ids: list[int] = []
        dropped = []
        for word in split_words(clean(text)):
            ids += self._encode_word(word)
            if len(ids) > room:
                dropped.append(word)
        filling = [self.end if padding is None else padding] * max(room - len(ids), 0)
        return [self.start, *ids[:room], self.end, *filling], " ".join(dropped)

    def __call__(self, texts: Sequence[str], context_length: int, padding: int | None = None) -> TokenBatch:
        """Every text framed: ids int64 (B, M) with M = context_length."""
        framed = [self.frame(text, context_length, padding) for text in texts]
        ids = np.array([ids for ids, _ in framed], np.int64).reshape(len(framed), context_length)
        return TokenBatch(ids, [dropped for _, dropped in framed])

    def to_json(self) -> str:
        """The merge list as JSON text."""
        return json.dumps({"format": _FORMAT, "merges": [" ".join(pair) for pair in self.merges]}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """The tokenizer that `to_json` wrote.

        Raises:
            TokenizerError: the text is not such a JSON, or a merge is impossible.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise TokenizerError(f"tokenizer: not JSON ({error}); save it again with Tokenizer.to_json") from None
        if not isinstance(data, dict) or data.get("format") != _FORMAT or not isinstance(data.get("merges"), list):
            raise TokenizerError(
                f'tokenizer: wanted {{"format": "{_FORMAT}", "merges": [...]}}, as Tokenizer.to_json writes it'
            )
        merges = []
        for rank, line in enumerate(data["merges"]):
            parts = line.split(" ") if isinstance(line, str) else []
            if len(parts) != 2:
                raise TokenizerError(
                    f"tokenizer: merge {rank} is {line!r}; wanted two symbols with a space between them"
                )
            merges.append((parts[0], parts[1]))
        return cls(merges)
