r"""Weighted words of a prompt: "a (thick:1.3) seven" says thick louder, "a [thick] seven" softer.

    (thick:1.3)   weight 1.3          (thick)   1.1          [thick]   1 / 1.1          \( \) \[ \] \: \\   themselves

Brackets nest, and their weights multiply: the writing of most user interfaces of Stable Diffusion. What words add is
how the sentence differs without them, E(all words) - E(without these), in all of the encoder's vectors E; weight w adds
it w times:

    E = E(all words) + sum over weighted parts of (w - 1) (E(all words) - E(without this part))

Weight 0 leaves a part out, 1 changes nothing, and with everything in brackets the formula is guidance's.

Differs: user interfaces scale the vectors at the words' own tokens, or draw them away from the empty prompt's. But
every later token has heard a word, and so has the sentence's own vector: with "an eight leaning (left:3)" the shipped
model's eights lean 1 degree to the left that way, and 19 this way; without a weight it is 8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

LOUDER = 1.1  # a pair of round brackets without a number; square ones divide by it
MOST = 10.0

_SHOWN = 60  # characters of a prompt in a message

_CLOSES = {")": "(", "]": "["}
_SIGN = re.compile(
    r"(?P<close>(:(?P<weight>[^()\[\]\\]*))?\)|\]) | (?P<open>[(\[]) | \\(?P<itself>[()\[\]:\\]) | (?P<text>.)",
    re.S | re.X,
)


class PromptError(ValueError):
    """A prompt whose brackets or weights cannot be read: the message says where, and how to write them."""


class Part(NamedTuple):
    """Words of a prompt that have one weight."""

    text: str
    weight: float


def weighted_parts(prompt: str) -> list[Part]:
    r"""The prompt in parts of one weight each, without brackets.

    Raises:
        PromptError: a bracket that is not closed or not opened, or a weight that is no number from 0 to 10.

    >>> [(text, round(weight, 2)) for text, weight in weighted_parts(r"a (very [thick]:1.5) seven \(7\)")]
    [('a ', 1.0), ('very ', 1.5), ('thick', 1.36), (' seven (7)', 1.0)]
    """
    if not isinstance(prompt, str):
        raise TypeError(f'a prompt is a text, such as "a seven", got {prompt!r}')
    letters: list[Part] = []
    opened: list[tuple[str, int, int]] = []  # the bracket, its place, and the letters before it
    for sign in _SIGN.finditer(prompt):
        if sign["open"]:
            opened.append((sign["open"], sign.start(), len(letters)))
        elif sign["close"]:
            bracket = sign["close"][-1]
            if not opened or opened[-1][0] != _CLOSES[bracket]:
                raise _unbalanced(prompt, bracket, sign.end() - 1)
            kind, _, first = opened.pop()
            factor = _weight(prompt, sign["weight"]) if kind == "(" else 1 / LOUDER
            letters[first:] = [Part(text, weight * factor) for text, weight in letters[first:]]
        elif sign["text"] == ":" and opened and {*_CLOSES} & {*prompt[sign.end() :]}:
            raise PromptError(
                f"{_shown(prompt)}: after a colon in brackets wanted a number and a closing bracket, such as "
                r"(thick:1.3); a colon that is meant as such is written \:"
            )
        else:
            letters.append(Part(sign["itself"] or sign["text"], 1.0))
    if opened:
        raise _unbalanced(prompt, *opened[-1][:2])
    return _joined(prompt, letters)


def _weight(prompt: str, written: str | None) -> float:
    try:
        weight = LOUDER if written is None else float(written)
    except ValueError:
        weight = math.nan
    if not 0 <= weight <= MOST:
        raise PromptError(
            f"{_shown(prompt)}: a weight is a number from 0 to {MOST:g}, such as 1.3, got {_shown(written or '')}; "
            r"a colon that is meant as such is written \:"
        )
    return weight


def _unbalanced(prompt: str, bracket: str, at: int) -> PromptError:
    missing = "is never closed" if bracket in "([" else "closes none that is open"
    return PromptError(
        f"{_shown(prompt)}: the bracket {bracket!r} at character {at + 1} {missing}; write a weighted word as "
        rf"(thick:1.3), and a bracket that is meant as such as \{bracket}"
    )


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r} ..."


def _joined(prompt: str, letters: Sequence[Part]) -> list[Part]:
    parts: list[Part] = []
    for text, weight in letters:
        if weight > MOST:
            raise PromptError(f"{_shown(prompt)}: nested weights come to {weight:g}; wanted {MOST:g} at most")
        if parts and parts[-1].weight == weight:
            parts[-1] = Part(parts[-1].text + text, weight)
        else:
            parts.append(Part(text, weight))
    return parts


def plain(prompt: str) -> str:
    """The prompt without the marks of its weights.

    >>> plain("a (thick:1.3) seven")
    'a thick seven'
    """
    return "".join(text for text, _ in weighted_parts(prompt))


def escaped(text: str) -> str:
    r"""The text as a prompt without weights, whatever brackets are in it.

    >>> escaped("seven (7)"), plain(escaped("seven (7)"))
    ('seven \\(7\\)', 'seven (7)')
    """
    return re.sub(r"([()\[\]\\])", r"\\\1", text)


def combination(prompt: str) -> dict[str, float]:
    """The plain prompts whose vectors, times these numbers, add up to the weighted prompt's; they sum to 1.

    >>> combination("a (thick:1.5) seven")
    {'a thick seven': 1.5, 'a  seven': -0.5}
    """
    parts = weighted_parts(prompt)
    whole = "".join(text for text, _ in parts)
    numbers = {whole: 1.0}
    for i, (_, weight) in enumerate(parts):
        if weight != 1:
            without = "".join(text for text, _ in parts[:i] + parts[i + 1 :])
            numbers[whole] += weight - 1
            numbers[without] = numbers.get(without, 0.0) - (weight - 1)
    return numbers
