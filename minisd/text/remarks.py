"""What a user should know of a prompt before its picture comes: what the model cannot read in it."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from minisd.text.tokenizer import Tokenizer, clean, split_words

_SHOWN = 60  # characters of a prompt
_LISTED, _KNOWN = 8, 80  # words that a prompt has too many, and words of the model


def remarks(prompts: Sequence[str], tokenizer: Tokenizer, context_length: int, known: Collection[str]) -> list[str]:
    """One line for every prompt that has words outside `known`, or more tokens than fit; no prompt is named twice.

    Where a prompt says hardly anything that is known, the known words come last.

    >>> remarks(["a 7 on Mars", "a 7"], Tokenizer([]), 99, ("7", "a"))
    ["'a 7 on Mars': the model never saw 'on', 'mars' and may ignore them", 'the words that the model knows: 7 a']
    """
    lines, lost = [], False
    for prompt in dict.fromkeys(prompts):
        _, dropped = tokenizer.frame(prompt, context_length)
        words, left = list(split_words(clean(prompt))), len(list(split_words(dropped)))
        kept = words[: len(words) - left]
        unknown = [word for word in dict.fromkeys(kept) if word not in known]
        said = []
        if unknown:
            it = "it" if len(unknown) == 1 else "them"
            said.append(f"the model never saw {_listed(unknown)} and may ignore {it}")
        if dropped:
            last = "its last word was" if left == 1 else f"its last {left} words were"
            said.append(f"longer than {context_length - 2} tokens, {last} dropped: {_shortened(dropped)!r}")
        if said:
            lines.append(f"{_shortened(prompt)!r}: {'; '.join(said)}")
        lost |= bool(unknown) and 2 * len(unknown) >= len(kept)
    if lost and known:
        more = " ..." if len(known) > _KNOWN else ""
        lines.append(f"the words that the model knows: {' '.join([*known][:_KNOWN])}{more}")
    return lines


def _shortened(text: str) -> str:
    """The first words, or what fits of a single one that is longer than a line."""
    words = textwrap.shorten(text, _SHOWN, placeholder=" ...")
    return f"{text.strip()[:_SHOWN]} ..." if words == "..." else words


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(repr(_shortened(word)) for word in words[:_LISTED]) + more
