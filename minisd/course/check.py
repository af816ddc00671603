"""The verdict on an answer, in the learner's terms.

An answer is right when it makes of every case what the exercise's own solution makes of it in float64, to rounding. A
wrong one is told what it does: if all that it returned is what one of the exercise's classic mistakes returns, that
mistake's sentence; else where the first result differs, and by what rule.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minisd.course.answers import Case, Outcome, try_on
from minisd.course.compare import TOLERANCE, difference
from minisd.course.exercise import Exercise, load
from minisd.course.own import answer as own_answer
from minisd.course.own import stream

DTYPES = (np.float64, np.float32)
_ANSWER_TOLERANCE = 5e-3  # of a number with a fraction that was worked out on paper; whole numbers are counted
_MOST = 0.7  # of the cases: an answer may have another flaw beside a mistake


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: `kind` is "passed", "unfinished", "wrong", or why it could not be tried."""

    exercise: Exercise
    kind: str
    message: str = ""

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    def __str__(self) -> str:
        head = f"{self.exercise.number} {self.exercise.name}: {self.kind}" if not self.exercise.is_question else (
            f"{self.exercise.number}: {self.kind}"
        )  # fmt: skip
        return f"{head}\n{self.message}" if self.message else head


def check(number: str, answer: Any = None, *, seed: int = 0) -> None:
    """Print whether the answer to an exercise is right, and if not, what is wrong with it.

    Args:
        number: the exercise's, "03.2".
        answer: your function or class, or a question's value; without it your file ``exercises/ex03_2_....py``, or the
            question's line in your ``answers.toml``.
        seed: of the cases that it is tried on.

    Raises:
        CourseError: there is no such exercise, or no answer is found.

    >>> check("02.1", lambda size, window, stride=1, padding=0: (size - window) // stride + 1)
    02.1 output_size: wrong
    case 2 of 18, size 572, window 3, stride 1, padding 1: Padding lies on both sides: it makes the row 2P longer.
    """
    exercise = load(number)
    print(verdict(exercise, own_answer(exercise) if answer is None else answer, seed))


def verdict(exercise: Exercise, answer: Any, seed: int = 0) -> Verdict:
    """The verdict, tried in this process."""
    cases = trials(exercise, seed)
    if answer is ...:  # a question's cell as it was handed out
        return Verdict(exercise, "unfinished")
    if exercise.is_question:
        return judge(exercise, cases, [Outcome(answer)])
    if not callable(answer):
        return Verdict(exercise, "wrong", f"{exercise.name} is a {type(answer).__name__}; a function is wanted")
    return judge(exercise, cases, try_on(cases, answer, exercise.probe))


def trials(exercise: Exercise, seed: int, student: str | None = None) -> list[Case]:
    """The cases: in float64, then in float32; of a question the learner's numbers."""
    if exercise.is_question:
        return list(exercise.cases(stream(exercise, student), None))
    cases = [case for dtype in DTYPES for case in exercise.cases(np.random.default_rng(seed), dtype)]
    return [_without_defaults(exercise.reference, case) for case in cases] if calls_with_defaults(exercise) else cases


def calls_with_defaults(exercise: Exercise) -> bool:
    """Whether arguments can be left out of a case: no probe stands between, or one that hands on what it gets."""
    probe = getattr(exercise.module, "probe", None)
    return probe is None or any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(probe).parameters.values())


def _without_defaults(function: Callable[..., Any], case: Case) -> Case:
    """The case without its last arguments, where they are what the function takes anyway: so defaults are tried."""
    defaults = [parameter.default for parameter in inspect.signature(function).parameters.values()]
    end = len(case)
    while end and type(case[end - 1]) is type(defaults[end - 1]) and case[end - 1] == defaults[end - 1]:
        end -= 1
    return case[:end]


def judge(exercise: Exercise, cases: Sequence[Case], outcomes: Sequence[Outcome]) -> Verdict:
    """The verdict on what an answer made of the cases, wherever it was made."""
    if any(not outcome.written for outcome in outcomes):
        return Verdict(exercise, "unfinished")
    if exercise.is_question:
        outcomes = [Outcome(_whole(outcome.value)) for outcome in outcomes]
    for place, (case, outcome) in enumerate(zip(cases, outcomes, strict=True)):
        wrong = outcome.error or difference(outcome.value, _solution(exercise, case), _tolerance(exercise, case))
        if wrong:
            mistake = _classic_mistake(exercise, cases, outcomes, place)
            where = "" if exercise.is_question else f"case {place + 1} of {len(cases)}, {_told(exercise, case)}: "
            is_number = isinstance(outcome.value, int | float)
            plain = "that is not it" if exercise.is_question and is_number else wrong
            return Verdict(exercise, "wrong", where + (mistake or plain))
    written_into = sorted({i for outcome in outcomes for i in outcome.changed})
    return Verdict(exercise, "passed", _remark(exercise, written_into) if written_into else "")


def _whole(answer: Any) -> Any:
    """14.0 is 14."""
    return int(answer) if isinstance(answer, float) and answer.is_integer() else answer


def _solution(exercise: Exercise, case: Case) -> Any:
    with warnings.catch_warnings(action="ignore"):  # what is said of a learner's numbers is said by the verdict
        return exercise.probe(exercise.reference, *_in_float64(copy.deepcopy(case)))


def _classic_mistake(exercise: Exercise, cases: Sequence[Case], outcomes: Sequence[Outcome], place: int) -> str | None:
    """The sentence of the mistake that explains the differing outcome, and most of the others: of several the one that
    explains most."""
    best, sentence = _MOST * len(cases), None
    for mistake in exercise.variants("mistake").values():
        if _explains(mistake, exercise, cases[place], outcomes[place]):
            explained = sum(_explains(mistake, exercise, *both) for both in zip(cases, outcomes, strict=True))
            if explained > best:
                best, sentence = explained, " ".join(inspect.cleandoc(mistake.__doc__ or "").split())
    return sentence


def _explains(mistake: Callable[..., Any], exercise: Exercise, case: Case, outcome: Outcome) -> bool:
    with warnings.catch_warnings(action="ignore"):
        (same,) = try_on([case], mistake, exercise.probe)
    if outcome.error or same.error:
        kinds = [(error or "").rpartition("`: ")[2].partition(":")[0] for error in (outcome.error, same.error)]
        return kinds[0] == kinds[1]
    return difference(outcome.value, same.value, _tolerance(exercise, case)) is None


def _in_float64(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    if isinstance(value, list | tuple):
        return type(value)(map(_in_float64, value))
    return {key: _in_float64(part) for key, part in value.items()} if isinstance(value, dict) else value


def _tolerance(exercise: Exercise, case: Case) -> float:
    if exercise.is_question:
        return 0.0 if isinstance(exercise.reference(*case), int) else _ANSWER_TOLERANCE
    in_float32 = any(isinstance(part, np.ndarray) and part.dtype == np.float32 for part in _leaves(case))
    return TOLERANCE[np.dtype(np.float32 if in_float32 else np.float64)]


def _leaves(value: Any) -> list[Any]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    return [value] if parts is None else [leaf for part in parts for leaf in _leaves(part)]


def _names(exercise: Exercise, count: int) -> list[str]:
    """The arguments' names: the probe's where there is one, else the hole's."""
    function = getattr(exercise.module, "probe", None)
    names = list(inspect.signature(function or exercise.reference).parameters)[1 if function else 0 :]
    return [names[i] if i < len(names) else f"argument {i + 1}" for i in range(count)]


def _told(exercise: Exercise, case: Case) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in zip(_names(exercise, len(case)), case, strict=True))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    if isinstance(value, list | tuple) and any(isinstance(part, np.ndarray) for part in value):
        return _cut(f"[{', '.join(map(_short, value))}]")
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _remark(exercise: Exercise, written_into: list[int]) -> str:
    names = _names(exercise, 1 + max(written_into))
    return f"It writes into its argument {', '.join(names[i] for i in written_into)}: the caller may not expect that."
