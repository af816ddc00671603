from collections import Counter
from itertools import product

import numpy as np
import pytest

from minisd.text import (
    Caption,
    CaptionError,
    all_captions,
    caption_text,
    in_english,
    parse_caption,
    phrases,
    random_caption,
    unknown_words,
)
from minisd.text.captions import DIGITS

EVERY = [Caption(*said) for said in product(range(10), (None, 0, 1, 2), (None, 0, 1, 2))]


@pytest.mark.parametrize("caption", EVERY)
def test_every_phrase_says_its_caption(caption):
    for text in phrases(caption):
        assert parse_caption(text) == caption
        assert parse_caption(f"  {text.upper().replace(' ', '   ')} ") == caption
        assert unknown_words(text) == []


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("a thick seven leaning left", Caption(7, 2, 0)),
        ("a thin upright three", Caption(3, 0, 1)),
        ("a seven", Caption(7)),
        ("a seven upright", Caption(7, None, 1)),
        ("a bold 7 slanted left", Caption(7, 2, 0)),
        ("a medium seven leaning right", Caption(7, 1, 2)),
        ("zero", Caption(0)),
        ("the digit 7", Caption(7)),
        ("7", Caption(7)),
        ("a beautiful eight!", Caption(8)),
    ],
)
def test_parse(text, caption):
    assert parse_caption(text) == caption


def test_plainest_text():
    assert caption_text(Caption(8, None, 1)) == "an upright eight"
    assert caption_text(Caption(8)) == "an eight"
    assert caption_text(Caption(1)) == "a one"
    assert caption_text(Caption(3, 0, 1)) == "a thin upright three"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a cat", "names no digit"),
        ("", "names no digit"),
        ("a thin thick seven", "'thin' and 'thick'"),
        ("seven eight", "'seven' and 'eight'"),
        ("an upright 7 leaning left", "one slant"),
    ],
)
def test_parse_errors(text, message):
    with pytest.raises(CaptionError, match=message):
        parse_caption(text)


def test_saying_the_same_twice_is_no_contradiction():
    assert parse_caption("a bold thick seven, 7") == Caption(7, 2)


@pytest.mark.parametrize("said", [(10,), (-1,), (0, 3), (0, None, -1)])
def test_captions_out_of_range(said):
    with pytest.raises(CaptionError, match="wanted 0"):
        Caption(*said)


def test_all_captions_are_few_different_and_parse():
    texts = all_captions()
    assert len(texts) == len(set(texts)) <= 1500
    assert {parse_caption(text) for text in texts} == set(EVERY)
    assert {len(text.split()) for text in texts} <= set(range(1, 7))


def test_random_captions_come_from_all_captions_and_never_lie():
    rng, every = np.random.default_rng(0), set(all_captions())
    said = Counter()
    for _ in range(3000):
        digit, thickness, slant = rng.integers(10), rng.integers(3), rng.integers(3)
        text = random_caption(digit, thickness, slant, rng)
        assert text in every
        caption = parse_caption(text)
        assert caption.digit == digit and caption.thickness in (None, thickness) and caption.slant in (None, slant)
        said["thickness"] += caption.thickness is not None
        said["slant"] += caption.slant is not None
    assert all(1850 < n < 2150 for n in said.values())  # two thirds of 3,000, four deviations wide


def test_every_wording_is_there_in_order():
    assert phrases(Caption(8)) == ("an eight", "eight", "an 8", "8", "the digit eight", "the digit 8")
    assert phrases(Caption(1, 2, 0))[:4] == (
        "a thick one leaning left",
        "thick one leaning left",
        "a thick one slanted left",
        "thick one slanted left",
    )
    for thickness, words in ((0, {"thin"}), (1, {"medium"}), (2, {"thick", "bold"})):
        assert {text.split()[-2] for text in phrases(Caption(3, thickness))} == words
    for slant, ends in (
        (0, {"three leaning left", "three slanted left"}),
        (1, {"upright three", "three upright"}),
        (2, {"three leaning right", "three slanted right"}),
    ):
        bare = {text.removeprefix("an ").removeprefix("a ") for text in phrases(Caption(3, None, slant))}
        assert {text for text in bare if "3" not in text} == ends


@pytest.mark.parametrize("said", [(8,), (7, 2, 0), (0, None, 1), (5, 2)])
def test_every_wording_is_drawn_as_often_as_the_others(said):
    digit, thickness, slant = (*said, None, None)[:3]
    options, rng = phrases(Caption(*said)), np.random.default_rng(0)
    drawn = Counter()
    while drawn.total() < 200 * len(options):
        text = random_caption(digit, thickness or 0, slant or 0, rng, mention=0.5)
        if parse_caption(text) == Caption(*said):
            drawn[text] += 1
    assert set(drawn) == set(options)
    assert all(140 < count < 260 for count in drawn.values())  # four deviations wide


def test_a_caption_takes_its_words_from_the_right_numbers():
    rng = np.random.default_rng(0)
    assert parse_caption(random_caption(3, 0, 2, rng, mention=1.0)) == Caption(3, 0, 2)
    assert parse_caption(random_caption(3, 2, 0, rng, mention=1.0)) == Caption(3, 2, 0)


def test_random_caption_is_repeatable_and_mention_is_obeyed():
    draw = [[random_caption(4, 2, 1, np.random.default_rng(s)) for s in range(20)] for _ in range(2)]
    assert draw[0] == draw[1] and len(set(draw[0])) > 5
    rng = np.random.default_rng(0)
    assert {parse_caption(random_caption(4, 2, 1, rng, mention=1.0)) for _ in range(50)} == {Caption(4, 2, 1)}
    assert {parse_caption(random_caption(4, 2, 1, rng, mention=0.0)) for _ in range(50)} == {Caption(4)}


def test_unknown_words():
    assert unknown_words("A purple SEVEN, leaning left, on Mars") == ["purple", "on", "mars"]
    assert unknown_words("the digit 7") == []
    assert unknown_words("") == []


@pytest.mark.parametrize(
    ("text", "english"),
    [
        *((digit, name) for digit, name in zip("零一二三四五六七八九", DIGITS, strict=True)),
        ("〇", "zero"), ("７", "seven"), ("٧", "seven"), ("a thick七 leaning left", "a thick seven leaning left"),
        ("画一个七", "画 a seven"), ("a 7, 8!", "a 7, 8!"), ("十", "十"), ("½", "½"), ("", ""),
    ],
)  # fmt: skip
def test_digits_of_other_scripts(text, english):
    assert in_english(text) == english
