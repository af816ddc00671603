"""Lines of words."""

from __future__ import annotations

import pytest

from minisd.plots.lettering import missing_letters, wrapped, writable


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 9, []),
        (" \n ", 9, []),
        ("seven", 9, ["seven"]),
        ("a thick seven leaning left", 13, ["a thick seven", "leaning left"]),
        ("a b c d e", 7, ["a b c", "d e"]),  # even lines, not a full one and a rest
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("ab", 0.5, ["a", "b"]),  # a letter is never broken
        ("one two three four five", 5, ["one", "two", "three", "four…"]),
        ("aaaaaaaaaaaaaaa", 3, ["aaa", "aaa", "aaa", "aa…"]),
    ],
)
def test_lines(text: str, width: float, lines: list[str]) -> None:
    assert wrapped(text, width, len) == lines


def test_letters_that_cannot_be_drawn() -> None:
    assert missing_letters("a seven: naïve, Ωμέγα, семь, x²") == ""
    assert missing_letters("一 seven 一 שבע \ud800") == "一שבע\ud800"
    assert writable("a\tthin \x1b[1m七\u200d") == "a thin [1m?"
