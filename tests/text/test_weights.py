r"""Weighted words: brackets nest and multiply, what cannot be read is refused, and a sum of plain prompts comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisd.text.weights import LOUDER, PromptError, combination, escaped, plain, weighted_parts


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("", []),
        ("a seven", [("a seven", 1)]),
        ("a (thick:1.3) seven", [("a ", 1), ("thick", 1.3), (" seven", 1)]),
        ("(thick)", [("thick", LOUDER)]),
        ("((thick))", [("thick", LOUDER**2)]),
        ("[thick]", [("thick", 1 / LOUDER)]),
        ("(a (thick:2) seven:0.5)", [("a ", 0.5), ("thick", 1.0), (" seven", 0.5)]),
        ("([thick]:2)", [("thick", 2 / LOUDER)]),
        ("(a:0)(b:0)", [("ab", 0)]),
        (r"seven \(7\) \[7\] \: \\ \n", [(r"seven (7) [7] : \ \n", 1)]),
        (r"(time\: late:2)", [("time: late", 2)]),
        ("seven: thick", [("seven: thick", 1)]),
        ("()", []),
        ("(thick: 1.5 )", [("thick", 1.5)]),
    ],
)
def test_the_parts_of_a_prompt(prompt: str, parts: list[tuple[str, float]]) -> None:
    found = weighted_parts(prompt)
    assert [text for text, _ in found] == [text for text, _ in parts]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in parts])


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a (thick:1.3 seven", r"the bracket '\(' at character 3 is never closed; .* as \\\("),
        ("a thick) seven", r"the bracket '\)' at character 8 closes none that is open"),
        ("(a [b) c]", r"the bracket '\)' at character 6 closes none"),
        ("[a", r"the bracket '\[' at character 1 is never closed; .* as \\\["),
        ("a:1)", r"the bracket '\)' at character 4 closes none"),
        (":(", r"the bracket '\(' at character 2 is never closed"),
        ("(a:b)", r"a weight is a number from 0 to 10, such as 1.3, got 'b'; a colon that is meant as such .* \\:$"),
        ("(a:)", "a weight is a number from 0 to 10, .* got ''"),
        ("(a:nan)", "got 'nan'"),
        ("(a:inf)", "got 'inf'"),
        ("(a:-1)", "got '-1'"),
        ("(a:10.1)", "got '10.1'"),
        ("((a:4):4)", "nested weights come to 16; wanted 10 at most"),
        ("[a:0.5]", "after a colon in brackets wanted a number"),
        ("(" * 9999, r"^'\({60}' \.\.\.: the bracket '\(' at character 9999 is never closed"),
        (f"(a:{'b' * 9999})", r"got 'b{60}' \.\.\.; a colon"),
        ("(a:0.5 [b])", "after a colon in brackets wanted a number"),
    ],
)
def test_what_cannot_be_read_is_refused(prompt: str, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        weighted_parts(prompt)


def test_a_weighted_prompt_is_a_sum_of_plain_ones() -> None:
    assert combination("a seven") == {"a seven": 1}
    assert combination("") == {"": 1}
    assert combination("a (thick:1) seven") == {"a thick seven": 1}
    assert combination("a (thick:0) seven") == {"a thick seven": 0, "a  seven": 1}
    assert combination("(a seven:3)") == {"a seven": 3, "": -2}  # guidance's formula
    both = combination("(a:1.5)(b:3)")
    assert both == pytest.approx({"ab": 3.5, "b": -0.5, "a": -2})


@given(st.text(st.sampled_from("ab ()[]:\\1.")))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert plain(escaped(text)) == text and combination(escaped(text)) == {text: 1}
    try:
        numbers = combination(text)
    except PromptError as error:
        assert repr(text) in str(error)
    else:
        assert sum(numbers.values()) == pytest.approx(1)
