"""What is said of prompts before they are drawn."""

from __future__ import annotations

import pytest

from minisd.text import Tokenizer, all_captions
from minisd.text.remarks import remarks

TOKENIZER = Tokenizer.train(all_captions())
KNOWN = ("a", "seven", "thick", "7")


def said(*prompts: str, context_length: int = 12) -> list[str]:
    return remarks(prompts, TOKENIZER, context_length, KNOWN)


def test_what_is_known_and_fits_needs_no_word() -> None:
    assert said("a seven", "A thick 7", "", "a " * 8) == []


def test_unknown_words_are_named_once() -> None:
    assert said("a blue blue seven", "a blue blue seven", "a seven") == [
        "'a blue blue seven': the model never saw 'blue' and may ignore it"
    ]
    assert said("a thick seven at sea") == [
        "'a thick seven at sea': the model never saw 'at', 'sea' and may ignore them"
    ]


@pytest.mark.parametrize(
    ("prompt", "lost"), [("a cat", True), ("cat", True), ("a thick cat", False), ("a seven", False)]
)
def test_a_sentence_that_says_hardly_anything_is_told_what_the_model_knows(prompt: str, lost: bool) -> None:
    assert ("the words that the model knows: a seven thick 7" in said(prompt)) == lost


def test_what_does_not_fit_is_said_in_whole_words() -> None:
    assert said("a thick seven 7", context_length=5) == [
        "'a thick seven 7': longer than 3 tokens, its last word was dropped: '7'"
    ]
    assert said("a seven thick thick a", context_length=4) == [
        "'a seven thick thick a': longer than 2 tokens, its last 3 words were dropped: 'thick thick a'"
    ]
    (line,) = said("a seven 🙂七", context_length=5)  # one of the four bytes of the emoji would fit
    assert line == "'a seven 🙂七': longer than 3 tokens, its last 2 words were dropped: '🙂 七'"
    assert "�" not in line


def test_unknown_words_that_were_dropped_are_not_named_again() -> None:
    assert said("a seven at sea", context_length=5) == [
        "'a seven at sea': longer than 3 tokens, its last 2 words were dropped: 'at sea'"
    ]


def test_both_remarks_on_a_prompt_are_one_line() -> None:
    (line,) = said("a red seven thick 7", context_length=8)
    assert line.count("a red") == 1 and "'red' and may ignore it; longer than 6 tokens" in line


def test_long_prompts_are_shortened_between_words_and_characters() -> None:
    (first, *_) = said("a thick seven " * 50)
    assert first.startswith(
        "'a thick seven a thick seven a thick seven a thick seven ...': longer than 10 tokens, its last 140"
    )
    (first, *_) = said("七" * 300)
    assert first.startswith(f"'{'七' * 60} ...': longer") and "�" not in first


def test_long_lists_are_shortened() -> None:
    words = [chr(ord("b") + i) * 2 for i in range(11)]
    (first, _) = said(" ".join(words), context_length=99)
    assert "'ii' and 3 more and may ignore them" in first and "'jj'" not in first
    many = [f"w{i}" for i in range(100)]
    *_, last = remarks(["x"], TOKENIZER, 99, many)
    assert last.endswith("w78 w79 ...")
    assert remarks(["x"], TOKENIZER, 99, ()) == ["'x': the model never saw 'x' and may ignore it"]
