"""What a verdict passes over, and what it says when a mistake does not stand alone."""

from __future__ import annotations

import numpy as np
import pytest

from minisd.course import own
from minisd.course.check import verdict
from minisd.course.compare import difference
from minisd.course.exercise import load
from minisd.course.holes import hole, trial


def test_a_whole_number_may_be_written_with_a_point() -> None:
    question = load("02.9")
    right = question.reference(*own.numbers_of("02.9"))
    assert verdict(question, float(right)).passed
    assert verdict(question, right + 0.5).kind == "wrong"
    assert "number" in verdict(question, "ten million").message


def test_what_is_summed_up_to_nothing_is_nothing() -> None:
    assert difference(-9.25e-17, 0.0, 1e-7) is None
    assert difference(np.array([1e-17, 0.0]), np.zeros(2), 1e-7) is None
    assert (said := difference(1e-9, -0.0, 1e-7)) and said.endswith("wanted is 0")


def test_a_mistake_is_named_beside_another_flaw() -> None:
    exercise = load("02.1")
    mistake = exercise.variants("mistake")["padding_once"]

    def both(size: int, window: int, stride: int = 1, padding: int = 0) -> int:
        return 7 if size == 568 else mistake(size, window, stride, padding)

    assert "2P longer, not P" in verdict(exercise, both).message


@pytest.mark.parametrize("number", ["07.3", "07.4"])
def test_a_learner_is_given_no_more_of_an_import_than_is_meant(number: str) -> None:
    exercise = load(number)
    assert "Tokenizer" not in hole(exercise) and "Tokenizer" not in trial(exercise)
