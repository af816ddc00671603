"""Weighted words

"a (thick:1.3) seven" says thick louder. Read such a prompt. There are three kinds of brackets:

    (thick:1.3)     its words have weight 1.3
    (thick)         weight 1.1
    [thick]         weight 1 / 1.1

Brackets nest, and their weights multiply: in "((very [thick]):2)" very has 2.2 and thick 2. Everything else has weight
1. Return the text in parts, a list of (text, weight), without brackets and numbers; put together, the texts are the
prompt as it is read, spaces and all. It is up to you where a weight's parts are cut. Brackets that do not fit each
other raise a ValueError: one that is never closed, one that was never opened, or "(a]".

A colon stands only before the number of a round bracket, and there are no other signs to mind.
"""

import re

from minisd.text.weights import weighted_parts as library

POINTS, MINUTES = 5, 60
GIVEN = ("re",)
HINTS = (
    "Go through the prompt letter by letter. What must you remember when a bracket opens, to know what it closes over?",
    "A list of the open brackets: of each its kind, and how many parts there were before it. At a closing bracket take "
    "the last one off, and multiply the weight of every part since.",
    "At a colon, re.match(r':([0-9.]+)\\)', prompt[i:]) finds the number and the bracket that it stands before.",
)


def weighted_parts(prompt):
    """A list of (text, weight): the prompt without its brackets."""
    return [tuple(part) for part in library(prompt)]


def probe(weighted_parts, prompt):
    try:
        parts = weighted_parts(prompt)
    except ValueError:
        return "refused"
    letters = [(letter, float(weight)) for text, weight in parts for letter in text]
    return {"text": "".join(letter for letter, _ in letters), "weights": [weight for _, weight in letters]}


def cases(rng, dtype):
    for prompt in (
        "a thick seven",
        "a (thick:1.3) seven",
        "a (thick) seven",
        "a [thick] seven",
        "(a (very:1.5) thick:2) seven",
        "((very [thick]):2)",
        "[[a]] (((b)))",
        "a (thick seven",
        "a thick) seven",
        "a (thick] seven",
        "([a)]",
        "(thick:0.5)(thin:2)",
        "(zero:0) one",
        "",
    ):
        yield (prompt,)
    low, high = (f"{value:.2f}" for value in rng.uniform(0.2, 3, 2))
    yield (f"a ([thick] and (bold:{low}) digit:{high}) seven [leaning left]",)


def _read(prompt, louder=1.1, softer=1 / 1.1, combine=lambda a, b: a * b, strict=True, inner=False, number=True):
    """Parts of one letter each."""
    parts, opened, i = list[tuple[str, float, bool]](), list[tuple[str, int]](), 0
    while i < len(prompt):
        letter, found = prompt[i], re.match(r":([0-9.]+)\)", prompt[i:])
        if letter in "([":
            opened.append((letter, len(parts)))
        elif letter in ")]" or found:
            kind = "(" if letter != "]" else "["
            if not opened or (strict and opened[-1][0] != kind):
                if strict:
                    raise ValueError(prompt)
                i += 1
                continue
            _, first = opened.pop()
            weight = softer if kind == "[" else float(found[1]) if found and number else louder
            for place in range(first, len(parts)):
                text, before, touched = parts[place]
                parts[place] = (text, before if inner and touched else combine(before, weight), True)
            i += len(found[0]) - 1 if found else 0
        else:
            parts.append((letter, 1.0, False))
        i += 1
    if opened and strict:
        raise ValueError(prompt)
    return [(text, weight) for text, weight, _ in parts]


def mistake_added(prompt):
    """Weights of brackets in brackets multiply: you add them."""
    return _read(prompt, combine=lambda a, b: a + b - 1)


def mistake_innermost(prompt):
    """Every bracket around a word counts, not the innermost alone: their weights multiply."""
    return _read(prompt, inner=True)


def mistake_outermost(prompt):
    """Every bracket around a word counts, not the outermost alone: their weights multiply."""
    return _read(prompt, combine=lambda a, b: b)


def mistake_round_is_nothing(prompt):
    """Round brackets without a number say louder, too: their weight is 1.1."""
    return _read(prompt, louder=1.0)


def mistake_square_is_louder(prompt):
    """Square brackets say softer: divide by 1.1."""
    return _read(prompt, softer=1.1)


def mistake_nine_tenths(prompt):
    """Square brackets take back exactly what round ones give: their weight is 1 / 1.1, not 0.9."""
    return _read(prompt, softer=0.9)


def mistake_number_not_read(prompt):
    """The number behind a colon is the weight: with it the bracket's usual 1.1 does not count."""
    return _read(prompt, number=False)


def mistake_number_times_usual(prompt):
    """The number is the weight of its bracket, in place of 1.1, not besides it."""
    return [(text, weight if ":" not in prompt or weight == 1 else weight * 1.1) for text, weight in _read(prompt)]


def mistake_lenient(prompt):
    """Brackets that do not fit each other are refused by a ValueError: you read over them."""
    return _read(prompt, strict=False)


def mistake_to_the_end(prompt):
    """A weight ends at its bracket's end: yours goes on to the end of the prompt."""
    weight, parts = 1.0, []
    for text, own in _read(prompt):
        weight = own if own != 1 else weight
        parts.append((text, weight))
    return parts


def mistake_spaces_lost(prompt):
    """The spaces between the words belong to the text."""
    return [(text, weight) for text, weight in _read(prompt) if text != " "]


def right_recursive(prompt):
    def read(at, closing):
        parts = []
        while at < len(prompt):
            letter = prompt[at]
            if letter in "([":
                inside, at = read(at + 1, ")" if letter == "(" else "]")
                parts += inside
            elif letter in ")]":
                if letter != closing:
                    raise ValueError(f"{prompt}: {letter} at {at}")
                factor = 1.1 if letter == ")" else 1 / 1.1
                return [(text, weight * factor) for text, weight in parts], at + 1
            elif letter == ":":
                end = prompt.index(")", at)
                if closing != ")":
                    raise ValueError(prompt)
                factor = float(prompt[at + 1 : end])
                return [(text, weight * factor) for text, weight in parts], end + 1
            else:
                parts.append((letter, 1.0))
                at += 1
        if closing:
            raise ValueError(f"{prompt}: no {closing}")
        return parts, at

    return read(0, "")[0]


def right_by_pieces(prompt):
    pieces = re.findall(r":[\d.]+\)|[()\[\]]|[^()\[\]:]+", prompt)
    stack = [("", list[tuple[str, float]]())]
    for piece in pieces:
        if piece in ("(", "["):
            stack.append((piece, []))
        elif piece[-1] in ")]":
            opening, inside = stack.pop()
            if opening != {")": "(", "]": "["}[piece[-1]]:
                raise ValueError("brackets")
            factor = 1 / 1.1 if piece == "]" else float(piece[1:-1]) if piece != ")" else 1.1
            stack[-1][1].extend((text, factor * weight) for text, weight in inside)
        else:
            stack[-1][1].append((piece, 1.0))
    if len(stack) > 1:
        raise ValueError("brackets")
    return stack[0][1]
