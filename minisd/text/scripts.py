"""Scripts that put no spaces between words: each of their characters is made a word of its own.

A tokenizer splits a text into words before it merges anything. A sentence in Chinese would be one word, and after
training on a few of them one symbol, which no other sentence has: nothing would be heard of a new one.
"""

import re

# Japanese syllables; Chinese characters, those of the first extension and of compatibility, too.
_CHARACTER = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def spaced(text: str) -> str:
    """The text with spaces around each character of such a script.

    >>> spaced("红色的猫 on a mat")
    '红 色 的 猫 on a mat'
    """
    return " ".join(_CHARACTER.sub(r" \g<0> ", text).split())
