"""Scripts without spaces: a new sentence is made of characters that were learned."""

from minisd.text.scripts import spaced
from minisd.text.tokenizer import Tokenizer


def test_each_character_is_a_word_and_all_else_stays():
    for text, wanted in (
        ("红色的猫", "红 色 的 猫"), ("a cat, asleep", "a cat, asleep"), ("一只cat 睡", "一 只 cat 睡"), ("", ""),
        ("ねことネコ", "ね こ と ネ コ"), ("süß 猫！", "süß 猫 ！"), ("고양이 кот", "고양이 кот"), ("  a  猫", "a 猫"),
    ):  # fmt: skip
        assert spaced(text) == wanted == spaced(wanted)


def test_a_new_sentence_of_known_characters_has_known_symbols():
    known = [spaced(text) for text in ("红色的猫", "蓝色的鸟")]
    tokenizer = Tokenizer.train(known)
    seen = {i for text in known for i in tokenizer.encode(text)}
    assert {*tokenizer.encode(spaced("蓝色的猫"))} <= seen
    assert not {*Tokenizer.train(["红色的猫", "蓝色的鸟"]).encode("蓝色的猫")} <= seen  # as one word it has not
