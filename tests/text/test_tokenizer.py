import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.text import Tokenizer, TokenizerError, all_captions
from minisd.text.tokenizer import END, START, clean, split_words


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(all_captions())


def test_the_first_512_identifiers_are_clips():
    """CLIP's construction: printable bytes in order, the other bytes at U+0100 on, then the same with </w>."""
    symbols = Tokenizer([]).symbols
    printable = "".join(chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256)))
    assert "".join(symbols[:188]) == printable
    assert "".join(symbols[188:256]) == "".join(chr(n) for n in range(256, 256 + 68))
    assert symbols[256:512] == [s + "</w>" for s in symbols[:256]]
    assert symbols[512:] == ["<|startoftext|>", "<|endoftext|>"]
    # Identifiers of CLIP's published vocabulary.
    assert Tokenizer([]).encode("!") == [256] and symbols[0] == "!"
    assert Tokenizer([]).encode("a") == [320] and Tokenizer([]).encode("0") == [271]


def test_lowest_rank_first_and_left_to_right():
    merges = [("b", "c</w>"), ("a", "b"), ("a", "bc</w>")]
    assert Tokenizer(merges).encode("abc") == [514]  # not "ab" first, although it stands further left
    assert Tokenizer(merges).encode("abd") == [513, Tokenizer([]).encode("d")[0]]


@pytest.mark.parametrize(
    ("word", "symbols"),
    [
        ("a", ["a</w>"]),
        ("aa", ["a", "a</w>"]),
        ("aaa", ["aa", "a</w>"]),
        ("aaaa", ["aa", "a", "a</w>"]),
        ("aaaaa", ["aaaa", "a</w>"]),
        ("aaaaaa", ["aaaa", "a", "a</w>"]),
        ("aaaaaaa", ["aaaa", "aa", "a</w>"]),
    ],
)
def test_repeated_letters(word, symbols):
    tokenizer = Tokenizer([("a", "a"), ("aa", "aa")])
    assert [tokenizer.symbols[i] for i in tokenizer.encode(word)] == symbols


def test_training_merges_the_commonest_pair_and_breaks_ties_by_the_alphabet():
    assert Tokenizer.train(["ab ab cd"], 515).merges == [("a", "b</w>")]
    assert Tokenizer.train(["cd ab"], 515).merges == [("a", "b</w>")]
    assert Tokenizer.train(["ab", "cd cd", "abe cd abe"], 515).merges == [("c", "d</w>")]  # "ab" is in more words
    texts = all_captions()
    assert Tokenizer.train(texts).merges == Tokenizer.train(reversed(texts)).merges


def test_a_trained_word_is_one_token(tokenizer):
    assert len(tokenizer.encode("a thick seven leaning left")) == 5
    assert tokenizer.size <= 640
    assert tokenizer.start == tokenizer.size - 2 and tokenizer.end == tokenizer.size - 1


def test_the_vocabulary_is_as_large_as_asked_or_all_words_are_whole():
    assert Tokenizer.train(all_captions(), 550).size == 550
    assert Tokenizer.train(["ab"], 1000).size == 515
    assert Tokenizer.train([], 1000).size == 514
    with pytest.raises(TokenizerError, match="513; wanted at least 514"):
        Tokenizer.train([], 513)


def test_cleaning():
    assert clean("  A&amp;amp;B \t\n c  ") == "a&b c"
    assert clean("\ud800") == "?"


def test_split():
    assert list(split_words("they're 3½ x_y don't!'s")) == [
        "they", "'re", "3", "½", "x", "_", "y", "don", "'t", "!'", "s",
    ]  # fmt: skip
    assert list(split_words("ein süßer 七 🙂👍")) == ["ein", "süßer", "七", "🙂👍"]


@pytest.mark.parametrize("ending", ["s", "t", "re", "ve", "m", "ll", "d"])
def test_contractions_are_words_of_their_own(ending):
    assert list(split_words(f"it'{ending}")) == ["it", f"'{ending}"]
    assert list(split_words("it'x")) == ["it", "'", "x"]


@given(st.text())
def test_split_agrees_with_clips_pattern(text):
    regex = pytest.importorskip("regex")
    pattern = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    # Left out: characters that one of the two Unicode versions does not know.
    text = "".join(c for c in clean(text) if unicodedata.category(c) != "Cn" and not regex.match(r"\p{Cn}", c))
    assert list(split_words(text)) == regex.findall(pattern, text)


@given(st.text())
def test_round_trip(text):
    tokenizer = Tokenizer([("a", "a"), ("t", "h"), ("th", "e</w>")])
    words = [word for word in split_words(clean(text)) if word not in (START, END)]
    assert tokenizer.decode(tokenizer.encode(text)) == " ".join(words)
    assert all(0 <= i < tokenizer.start for i in tokenizer.encode(text) if START not in text and END not in text)


@given(st.lists(st.integers(0, 514)))
def test_any_identifiers_decode(ids):
    Tokenizer([("a", "b")]).decode(ids)


def test_decode_out_of_range(tokenizer):
    for i in (-1, tokenizer.size):
        with pytest.raises(TokenizerError, match="outside the vocabulary"):
            tokenizer.decode([i])


def test_frame_pads_with_end_and_reports_what_was_dropped(tokenizer):
    seven = tokenizer.encode("a seven")
    s, e = tokenizer.start, tokenizer.end
    assert tokenizer.frame("a seven", 6) == ([s, *seven, e, e, e], "")
    assert tokenizer.frame("a seven", 4) == ([s, *seven, e], "")
    assert tokenizer.frame("a seven leaning left", 4) == ([s, *seven, e], "leaning left")
    assert tokenizer.frame("", 3) == ([s, e, e], "")
    assert tokenizer.frame("a seven", 6, padding=0) == ([s, *seven, e, 0, 0], "")
    assert tokenizer.frame("a seven leaning left", 4, padding=0) == ([s, *seven, e], "leaning left")
    assert tokenizer(["", "a seven"], 4, padding=7).ids.tolist() == [[s, e, 7, 7], [s, *seven, e]]
    assert tokenizer.frame("a", 2) == ([s, e], "a")
    with pytest.raises(TokenizerError, match="context_length is 1"):
        tokenizer.frame("a", 1)


def test_batch(tokenizer):
    batch = tokenizer(["a seven", "a thick seven leaning left"], 5)
    assert batch.ids.shape == (2, 5) and batch.ids.dtype == np.int64
    assert (batch.ids[:, 0] == tokenizer.start).all() and (batch.ids[:, -1] == tokenizer.end).all()
    assert batch.dropped == ["", "leaning left"]
    assert tokenizer([], 5).ids.shape == (0, 5)


def test_specials_in_a_text_are_specials(tokenizer):
    assert tokenizer.encode(f"{START} a {END}") == [tokenizer.start, *tokenizer.encode("a"), tokenizer.end]


def test_specials_are_no_words(tokenizer):
    assert tokenizer.decode([tokenizer.start, *tokenizer.encode("a seven"), tokenizer.end, tokenizer.end]) == "a seven"
    assert tokenizer.decode([tokenizer.start]) == tokenizer.decode([tokenizer.end]) == ""
    assert Tokenizer.train([f"{START} ab {END}"] * 3, 600).merges == [("a", "b</w>")]


def test_json_round_trip(tokenizer):
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.symbols == tokenizer.symbols
    assert again.encode("a bold 7, süß") == tokenizer.encode("a bold 7, süß")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("__import__('os')", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "wanted"),
        (json.dumps({"format": "other", "merges": []}), "wanted"),
        (json.dumps({"format": "minisd byte-pair encoding 1", "merges": "a b"}), "wanted"),
        (json.dumps({"format": "minisd byte-pair encoding 1", "merges": ["ab"]}), "merge 0 is 'ab'"),
        (json.dumps({"format": "minisd byte-pair encoding 1", "merges": [["a", "b"]]}), "merge 0"),
        (
            json.dumps({"format": "minisd byte-pair encoding 1", "merges": ["a b", "ab cd"]}),
            "merge 1 joins 'ab' and 'cd'",
        ),
        (json.dumps({"format": "minisd byte-pair encoding 1", "merges": ["a</w> b"]}), "merge 0 joins"),
    ],
)
def test_bad_json(text, message):
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_json(text)
