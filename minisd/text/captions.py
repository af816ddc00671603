"""Captions of digits: "a thick seven leaning left" <-> digit 7, thickness 2 of 0..2, slant 0 of 0..2.

    [a|an] [thin|medium|thick|bold] [upright] DIGIT [leaning left|slanted left|upright|leaning right|slanted right]

with the digit as a word or a numeral. Whatever a caption leaves out may be anything.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
THICKNESS = (("thin",), ("medium",), ("thick", "bold"))
SLANT = (  # what stands before the digit, what stands after it
    (("", "leaning left"), ("", "slanted left")),
    (("upright", ""), ("", "upright")),
    (("", "leaning right"), ("", "slanted right")),
)

MENTION = 2 / 3  # how often a caption says the thickness, and how often the slant

# What each word of a caption says; the others say nothing of their own.
_DIGIT = {word: d for d, name in enumerate(DIGITS) for word in (name, str(d))}
_THICKNESS = {word: t for t, words in enumerate(THICKNESS) for word in words}
_SLANT = {"left": 0, "upright": 1, "right": 2}
_SILENT = {"a", "an", "the", "digit", "leaning", "slanted"}


class CaptionError(ValueError):
    """A text that is no caption of a digit: the message says what is missing or contradicts itself."""


@dataclass(frozen=True)
class Caption:
    """A digit 0..9, and its thickness and slant, each 0..2 or None for "not said".

    Thickness counts thin, medium, thick; slant counts leaning left, upright, leaning right.

    Raises:
        CaptionError: a number is out of range.
    """

    digit: int
    thickness: int | None = None
    slant: int | None = None

    def __post_init__(self) -> None:
        if self.digit not in range(10):
            raise CaptionError(f"caption: digit is {self.digit}; wanted 0 to 9")
        for name, value in (("thickness", self.thickness), ("slant", self.slant)):
            if value is not None and value not in range(3):
                raise CaptionError(f"caption: {name} is {value}; wanted 0, 1, 2 or None")


@cache
def phrases(caption: Caption) -> tuple[str, ...]:
    """Every phrase that says exactly this caption, the plainest first.

    >>> phrases(Caption(8))
    ('an eight', 'eight', 'an 8', '8', 'the digit eight', 'the digit 8')
    """
    nouns = (DIGITS[caption.digit], str(caption.digit))
    thickness = ("",) if caption.thickness is None else THICKNESS[caption.thickness]
    slant = (("", ""),) if caption.slant is None else SLANT[caption.slant]
    out = []
    for noun, thick, (before, after) in product(nouns, thickness, slant):
        bare = " ".join(word for word in (thick, before, noun, after) if word)
        out += [f"{'an' if bare[0] in 'eu8' else 'a'} {bare}", bare]
    if caption.thickness is None and caption.slant is None:
        out += [f"the digit {noun}" for noun in nouns]
    return tuple(out)


def caption_text(caption: Caption) -> str:
    """The plainest phrase for a caption.

    >>> caption_text(Caption(7, thickness=2, slant=0))
    'a thick seven leaning left'
    """
    return phrases(caption)[0]


def parse_caption(text: str) -> Caption:
    """The caption that a text says; case, order, punctuation and words that captions do not use are ignored.

    Raises:
        CaptionError: no digit, or two words that contradict each other.

    >>> parse_caption("A BOLD 7, slanted right")
    Caption(digit=7, thickness=2, slant=2)
    """
    said: dict[str, dict[int, str]] = {"digit": {}, "thickness": {}, "slant": {}}
    for word in _words(text):
        for kind, meaning in (("digit", _DIGIT), ("thickness", _THICKNESS), ("slant", _SLANT)):
            if word in meaning:
                said[kind].setdefault(meaning[word], word)
    for kind, found in said.items():
        if len(found) > 1:
            raise CaptionError(
                f"{text!r} says {' and '.join(map(repr, found.values()))}; one {kind} can be drawn at a time"
            )
    if not said["digit"]:
        raise CaptionError(f'{text!r} names no digit; write one as a word or a numeral, such as "a thick seven"')
    (digit,) = said["digit"]
    return Caption(digit, next(iter(said["thickness"]), None), next(iter(said["slant"]), None))


def unknown_words(text: str) -> list[str]:
    """The words of a text that no caption uses, so that a model trained on captions has never seen them.

    >>> unknown_words("a fluffy seven, leaning left")
    ['fluffy']
    """
    return [word for word in _words(text) if word not in _DIGIT | _THICKNESS | _SLANT and word not in _SILENT]


def in_english(text: str) -> str:
    """The text with the digits of all other scripts in English words: 七, ７ and ٧ are all a seven.

    >>> in_english("a thick 七"), in_english("7 or 十")
    ('a thick seven', '7 or 十')

    Chinese says "one piece of" where English has an article, which is no second digit:

    >>> in_english("一个七")
    'a seven'
    """

    def word(character: str) -> str:
        value = -1 if character.isascii() else unicodedata.numeric(character, -1)
        return f" {DIGITS[int(value)]} " if value in range(10) else character

    return " ".join("".join(map(word, re.sub("一[个個]", " a ", text))).split())


def random_caption(
    digit: int, thickness_bin: int, slant_bin: int, rng: np.random.Generator, *, mention: float = MENTION
) -> str:
    """A phrase to train on: each attribute is said with probability `mention`, in any of its wordings.

    >>> random_caption(7, 2, 0, np.random.default_rng(1))
    'a thick seven'
    """
    thickness, slant = (value if rng.random() < mention else None for value in (int(thickness_bin), int(slant_bin)))
    options = phrases(Caption(int(digit), thickness, slant))
    return options[rng.integers(len(options))]


def all_captions() -> list[str]:
    """Every phrase that `random_caption` can draw, in a fixed order.

    >>> len(all_captions())
    1420
    """
    attributes = (None, 0, 1, 2)
    return [text for said in product(range(10), attributes, attributes) for text in phrases(Caption(*said))]


def _words(text: str) -> list[str]:
    words = (word.strip(".,;:!?\"'()") for word in text.lower().split())
    return [word for word in words if word]
