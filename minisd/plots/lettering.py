"""Words on pictures: a font that is on every machine, lines of a width, and letters that the font does not have."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any


def load_font(height: int, face: str = "DejaVuSans") -> Any:
    """A font that comes with Matplotlib: found on every machine, and with more alphabets than Pillow's own."""
    from PIL import ImageFont

    # Basic: the other way to lay out letters is not on every machine, and places them otherwise.
    return ImageFont.truetype(_file(face), height, layout_engine=ImageFont.Layout.BASIC)


def missing_letters(text: str, face: str = "DejaVuSans") -> str:
    """Those letters of a text, once each, that cannot be drawn: the font has none, or they run from right to left.

    >>> missing_letters("a thick 七 in Zürich")
    '七'
    """
    known = _letters(face)
    return "".join(
        dict.fromkeys(
            letter
            for letter in _composed(text)
            if ord(letter) not in known or unicodedata.bidirectional(letter) in ("R", "AL")
        )
    )


def writable(text: str) -> str:
    """The text with a question mark in the place of every letter that cannot be drawn.

    >>> writable("a thick 七")
    'a thick ?'
    """
    missing = missing_letters(text)
    return "".join("?" if letter in missing else letter for letter in _composed(text))


def wrapped(text: str, width: float, length: Callable[[str], float], most: int = 4) -> list[str]:
    """The text in as few lines of this width as hold it, all as even as they can be; `most` at most, then dots.

    Words that are too long are broken.

    Args:
        length: of a piece of text, in the unit of the width.

    >>> wrapped("a thin seven leaning right", 24, len)
    ['a thin seven', 'leaning right']
    >>> wrapped("one two three", 3, len, most=2)
    ['one', 'tw…']
    """
    words = [piece for word in text.split() for piece in _pieces(word, width, length)]
    lengths, space = [length(word) for word in words], length(" ")

    def ends(width: float) -> list[int]:
        """Behind which words the lines end."""
        found, filled = [], 0.0
        for i, own in enumerate(lengths):
            if i and filled + space + own > width:
                found.append(i)
                filled = own
            else:
                filled += own + (space if i else 0)
        return [*found, len(words)] if words else []

    count, low, high = len(ends(width)), max(lengths, default=0.0), width
    while high - low > 0.5 and count <= most:  # the narrowest lines of that number
        middle = (low + high) / 2
        low, high = (low, middle) if len(ends(middle)) == count else (middle, high)
    starts = [0, *ends(high)]
    lines = [" ".join(words[start:end]) for start, end in pairwise(starts)]
    return lines if count <= most else [*lines[: most - 1], _shortened(lines[most - 1], width, length)]


def _pieces(word: str, width: float, length: Callable[[str], float]) -> Iterator[str]:
    """The word in pieces that fit; one letter at least, however narrow it is."""
    while length(word) > width and len(word) > 1:
        end = max(1, next(n for n in range(1, len(word) + 1) if length(word[:n]) > width) - 1)
        yield word[:end]
        word = word[end:]
    yield word


def _shortened(line: str, width: float, length: Callable[[str], float]) -> str:
    while line and length(f"{line}…") > width:
        line = line[:-1].rstrip()
    return f"{line}…"


def _composed(text: str) -> str:
    """Every letter with its accents one sign where there is one, and no sign that only joins or turns others."""
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cf", "Cc"))


@cache
def _letters(face: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_file(face)).get_charmap())


def _file(face: str) -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf")
