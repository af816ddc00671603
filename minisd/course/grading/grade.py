"""Many submissions, many exercises: every answer tried and judged, and what it earns.

An exercise's points are earned whole or not at all: an answer that is right in most cases is not right, and its verdict
says in which it is not. The cases come from the teacher's seed, so nobody can have written for them; a question's
numbers come from the learner's name.

An exercise that builds on an earlier one (``mine``) is tried with the learner's own where that passed, and with the
library's where not: one mistake costs once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from minisd.course import own
from minisd.course.answers import Outcome
from minisd.course.check import Verdict, judge, trials
from minisd.course.exercise import CourseError, Exercise, load
from minisd.course.grading import sandbox
from minisd.course.grading.sandbox import LIMITS, Limits
from minisd.course.grading.submission import Missing, Submission, Unreadable


@dataclass(frozen=True)
class Report:
    """One learner's marks."""

    student: str
    folder: str  # its name: what was handed in
    verdicts: tuple[Verdict, ...]
    remarks: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        return sum(map(earned, self.verdicts))

    @property
    def possible(self) -> int:
        return sum(verdict.exercise.points for verdict in self.verdicts)


def earned(verdict: Verdict) -> int:
    """All points of the exercise, or none."""
    return verdict.exercise.points if verdict.passed else 0


def submissions(place: Path) -> list[Path]:
    """The submissions in a folder, or the folder itself where it is one.

    Raises:
        CourseError: there is no such folder, or nothing in it.
    """
    if not place.is_dir():
        raise CourseError(f"{place} is no folder; name a submission, or a folder of submissions")
    if _is_submission(place):
        return [place]
    inside = sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))
    if not inside:
        raise CourseError(f"{place} holds no submissions: each is a folder with exercises/ and answers.toml")
    return inside


def _is_submission(place: Path) -> bool:
    named = (place / name for name in ("exercises", own.ANSWERS_FILE, own.NAME_FILE))
    return any(os.path.lexists(entry) for entry in named) or any(place.glob("*.ipynb"))


def grade(
    folders: Sequence[Path],
    exercises: Sequence[Exercise],
    *,
    seed: int,
    jobs: int | None = None,
    limits: Limits = LIMITS,
    done: Callable[[int], object] = lambda answers: None,
) -> list[Report]:
    """The reports on submissions, in their order.

    Args:
        folders: one a submission, see submissions().
        exercises: those to grade.
        seed: the teacher's, of the cases; kept to themselves, the cases are hidden ones.
        jobs: how many answers are tried at a time; by default one a core.
        limits: what an answer may take.
        done: called with 1 for each answer judged, for instance a progress bar's update().
    """
    exercises = sorted(exercises, key=lambda exercise: tuple(map(int, exercise.number.split("."))))

    def report(folder: Path) -> Report:
        handed_in = Submission(folder)
        verdicts: dict[str, Verdict] = {}
        for exercise in exercises:
            verdicts[exercise.number] = _verdict(handed_in, exercise, verdicts, seed, limits)
            done(1)
        return Report(handed_in.student, folder.resolve().name, tuple(verdicts.values()), _remarks(folder))

    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        reports = [pool.submit(report, folder) for folder in folders]
        try:
            return _with_namesakes([each.result() for each in reports])
        except BaseException:  # Ctrl-C: those that wait need not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def check(folder: Path, exercise: Exercise, *, seed: int = 0, limits: Limits = LIMITS) -> Verdict:
    """The verdict on one exercise in a learner's own folder, tried as it will be when it is graded; what it builds on
    is the learner's own, as far as that is written."""
    return _verdict(Submission(folder), exercise, None, seed, limits)


def _verdict(
    handed_in: Submission, exercise: Exercise, earlier: dict[str, Verdict] | None, seed: int, limits: Limits
) -> Verdict:
    """The verdict; `earlier` those on what came before, None where nothing was graded before."""
    try:
        if exercise.is_question:
            cases = trials(exercise, seed, handed_in.drawn_for)
            return judge(exercise, cases, [Outcome(handed_in.value(exercise))])
        text = handed_in.source(exercise)
        if own.is_hole(text, exercise.name):
            return Verdict(exercise, "unfinished")
        before = [each for each in map(load, sandbox.builds_on(exercise)) if _is_built_on(handed_in, each, earlier)]
        files = {each.file.name: handed_in.source(each) for each in before}
        return sandbox.verdict(exercise, {**files, exercise.file.name: text}, seed, limits)
    except Missing as error:
        return Verdict(exercise, "missing", str(error))
    except Unreadable as error:
        return Verdict(exercise, "unreadable", str(error))
    except Exception as error:  # one answer harms no other, nor the report
        return Verdict(exercise, "ungraded", f"the grader itself failed: {type(error).__name__}: {error}"[:500])


def _is_built_on(handed_in: Submission, exercise: Exercise, earlier: dict[str, Verdict] | None) -> bool:
    if earlier is not None:
        return exercise.number in earlier and earlier[exercise.number].passed
    try:
        return own.is_written(handed_in.source(exercise), exercise.name)
    except Unreadable:
        return False


def _remarks(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir() or not _is_submission(folder):
        return ("Nothing was handed in: there is no exercises/, no answers.toml, no notebook.",)
    if not Submission(folder).drawn_for:
        return (
            f"{own.NAME_FILE} holds no name: the folder's stands here, and the questions' numbers are those of nobody.",
        )
    return ()


def _with_namesakes(reports: list[Report]) -> list[Report]:
    """A learner who hands in another's name gets that one's numbers: both reports say so."""
    names = [report.student.casefold() for report in reports]
    return [
        Report(
            report.student, report.folder, report.verdicts, (*report.remarks, "Another submission bears the same name.")
        )
        if names.count(report.student.casefold()) > 1
        else report
        for report in reports
    ]
