"""Every exercise is what it promises: its hole fails, its right answers pass, each classic mistake is named."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from minisd.course import own
from minisd.course.check import Verdict, calls_with_defaults, trials, verdict
from minisd.course.exercise import Exercise, load, numbers
from minisd.course.holes import hole, trial

EXERCISES = [load(number) for number in numbers()]
WRITTEN = [exercise for exercise in EXERCISES if not exercise.is_question]
QUESTIONS = [exercise for exercise in EXERCISES if exercise.is_question]
SEEDS = (0, 1)

each = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.file.stem)
each_written = pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.file.stem)
each_question = pytest.mark.parametrize("exercise", QUESTIONS, ids=lambda e: e.file.stem)


def judged(exercise: Exercise, answer: Callable[..., Any], seed: int) -> Verdict:
    if not exercise.is_question:
        return verdict(exercise, answer, seed)
    (case,) = exercise.cases(own.stream(exercise), None)
    return verdict(exercise, answer(*case))


def words(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split())


@each
def test_a_learner_finds_all_that_an_exercise_needs(exercise: Exercise) -> None:
    assert exercise.title and len(exercise.statement) > 60, "a title, and what to do"
    assert len(exercise.hints) == 3 and len(set(exercise.hints)) == 3
    assert 1 <= exercise.points <= 20 and 1 <= exercise.minutes <= 480
    assert exercise.is_question or inspect.getdoc(exercise.reference), "the hole's docstring says what it returns"


@each
def test_right_answers_pass(exercise: Exercise) -> None:
    others = exercise.variants("right")
    assert exercise.is_question or len(others) >= 2, "two more ways to write it"
    for name, answer in {"the solution": exercise.reference, **others}.items():
        for seed in SEEDS:
            found = judged(exercise, answer, seed)
            assert found.passed, f"{name}, seed {seed}: {found}"


@each
def test_classic_mistakes_are_named(exercise: Exercise) -> None:
    mistakes = exercise.variants("mistake")
    assert len(mistakes) >= (3 if exercise.is_question else 5)
    assert len({words(m.__doc__) for m in mistakes.values()}) == len(mistakes), "each has a sentence of its own"
    for name, answer in mistakes.items():
        for seed in SEEDS:
            found = judged(exercise, answer, seed)
            assert found.kind == "wrong", f"mistake_{name}, seed {seed}: {found}"
            assert found.message.endswith(words(answer.__doc__)), f"mistake_{name}, seed {seed}: {found}"


@each_written
def test_the_hole_is_empty_and_keeps_nothing_of_the_solution(exercise: Exercise) -> None:
    text = hole(exercise)
    namespace: dict[str, Any] = {}
    exec(compile(text, exercise.file.name, "exec"), namespace)
    assert verdict(exercise, namespace[exercise.name]).kind == "unfinished"
    assert not own.is_written(text, exercise.name)
    for kept in (text, trial(exercise)):
        assert not [line for line in solution_lines(exercise) if line in kept]


def solution_lines(exercise: Exercise) -> list[str]:
    """The solution's lines that could give something away, as they stand in the file and as unparsed."""
    tree = ast.parse(exercise.file.read_text(encoding="utf-8"))
    found = []
    for node in tree.body:
        name = getattr(node, "name", "")
        if name == exercise.name or (name.startswith(("mistake_", "right_", "_")) and name not in exercise.given):
            functions = [part for part in ast.walk(node) if isinstance(part, ast.FunctionDef)]
            for function in functions:
                statements = function.body[1:] if ast.get_docstring(function) else function.body
                found += [line.strip() for part in statements for line in ast.unparse(part).splitlines()]
    return [line for line in found if len(line) > 12]


@each_question
def test_questions_differ_from_learner_to_learner(exercise: Exercise) -> None:
    drawn = [next(exercise.cases(own.stream(exercise, name), None)) for name in map(str, range(12))]
    assert len({exercise.reference(*case) for case in drawn}) >= 4, "answers cannot be copied"
    assert all("<" not in own.statement(exercise, name) for name in ("a", "b"))


def test_a_whole_number_must_be_exact() -> None:
    parameters = load("02.6")
    (case,) = parameters.cases(own.stream(parameters), None)
    right = parameters.reference(*case)
    assert right > 1000 and verdict(parameters, right).passed
    assert not verdict(parameters, right + 1).passed


@each_written
def test_every_default_is_tried(exercise: Exercise) -> None:
    parameters = list(inspect.signature(exercise.reference).parameters.values())
    if calls_with_defaults(exercise):
        shortest = min(map(len, trials(exercise, seed=0)))
        assert all(parameter.default is parameter.empty for parameter in parameters[:shortest])
