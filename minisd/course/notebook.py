"""A chapter as a Jupyter notebook, its exercises in cells at the end.

jupytext reads the chapter's ``# %%`` cells; nbformat's cells carry nbgrader's marks, so that the teacher's notebook is
also what nbgrader assigns and grades (its cell metadata, schema 3: nbgrader.readthedocs.io, "The format of nbgrader's
metadata").
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minisd.checkpoint import write_atomically
from minisd.course.chapters import Chapter
from minisd.course.exercise import CourseError, Exercise
from minisd.course.holes import hole, solved, solved_between

INSTALL = 'pip install "minisd[course]"'
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def require_notebooks() -> None:
    """Raises CourseError, with the line that installs it, where jupytext is missing."""
    if importlib.util.find_spec("jupytext") is None:
        raise CourseError(f"notebooks are made by jupytext, which is not installed: {INSTALL}")


def student_notebook(chapter: Chapter, exercises: Sequence[Exercise]) -> Any:
    """The chapter with each exercise's statement, its hole and its check."""
    return _with_exercises(chapter, [cell for exercise in exercises for cell in _for_student(exercise)])


def teacher_notebook(chapter: Chapter, exercises: Sequence[Exercise]) -> Any:
    """The same, with the solutions."""
    return _with_exercises(chapter, [cell for exercise in exercises for cell in _for_teacher(exercise)])


def nbgrader_notebook(chapter: Chapter, exercises: Sequence[Exercise], seed: int) -> Any:
    """The exercises alone as nbgrader's source: solutions between its marks, tests with hidden cases drawn from `seed`.
    A question's numbers are each learner's own, which nbgrader does not know of: they are left out."""
    from nbformat.v4 import new_markdown_cell, new_notebook

    head = new_markdown_cell(f"# {chapter.number}. {chapter.title}: exercises")
    written = [exercise for exercise in exercises if not exercise.is_question]
    cells = [cell for exercise in written for cell in _for_nbgrader(exercise, seed)]
    return _numbered(new_notebook(cells=[head, *cells], metadata={"kernelspec": _KERNEL}))


def write(notebook: Any, path: Path) -> None:
    """Write the notebook as a file of format 4."""
    import nbformat

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, nbformat.writes(notebook).encode() + b"\n")


def _with_exercises(chapter: Chapter, cells: list[Any]) -> Any:
    import jupytext

    notebook = jupytext.reads(chapter.text, fmt="py:percent")
    notebook.metadata = {"kernelspec": _KERNEL}
    at = next((i + 1 for i, cell in enumerate(notebook.cells) if "\n## Exercises" in f"\n{cell.source}"), None)
    at = len(notebook.cells) if at is None else at
    notebook.cells[at:at] = cells
    return _numbered(notebook)


def _numbered(notebook: Any) -> Any:
    """The same cells get the same ids at every build, so that a build can be compared with the last one."""
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def _statement(exercise: Exercise) -> str:
    hints = "\n\n".join(
        f"<details><summary>Hint {number}</summary>\n\n{hint}\n\n</details>"
        for number, hint in enumerate(exercise.hints, start=1)
    )
    points = f"{exercise.points} point{'s' if exercise.points > 1 else ''}, about {exercise.minutes} minutes"
    text = "" if exercise.is_question else f"\n\n{exercise.statement}"
    return f"### {exercise.number} {exercise.title}\n\n*{points}*{text}\n\n{hints}"


def _for_student(exercise: Exercise) -> list[Any]:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    if exercise.is_question:
        return [new_markdown_cell(_statement(exercise)), new_code_cell(_asking(exercise, "..."))]
    check = f'from minisd.course import check\n\ncheck("{exercise.number}", {exercise.name})'
    return [new_markdown_cell(_statement(exercise)), new_code_cell(hole(exercise).rstrip()), new_code_cell(check)]


def _for_teacher(exercise: Exercise) -> list[Any]:
    from nbformat.v4 import new_code_cell

    statement, *_, check = _for_student(exercise)
    if exercise.is_question:
        check = new_code_cell(_asking(exercise, f'answer(*numbers_of("{exercise.number}"))'))
    return [statement, new_code_cell(solved(exercise).rstrip()), check]


def _asking(exercise: Exercise, answer: str) -> str:
    names = "check, question" if answer == "..." else "check, numbers_of, question"
    asked = f'question("{exercise.number}")\ncheck("{exercise.number}", {answer})'
    return f"from minisd.course import {names}\n\n{asked}"


def _for_nbgrader(exercise: Exercise, seed: int) -> list[Any]:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    name = f"ex{exercise.number.replace('.', '_')}"
    tests = (
        f"from minisd.course.check import verdict\nfrom minisd.course.exercise import load\n\n"
        f'found = verdict(load("{exercise.number}"), {exercise.name})\nassert found.passed, found\n'
        f"### BEGIN HIDDEN TESTS\n"
        f'found = verdict(load("{exercise.number}"), {exercise.name}, seed={seed})\nassert found.passed, found\n'
        f"### END HIDDEN TESTS"
    )
    solution = solved_between(exercise, "### BEGIN SOLUTION", "### END SOLUTION").rstrip()
    return [
        new_markdown_cell(_statement(exercise), metadata=_mark(f"{name}_statement", locked=True)),
        new_code_cell(solution, metadata=_mark(name, solution=True)),
        new_code_cell(tests, metadata=_mark(f"{name}_test", locked=True, grade=True, points=exercise.points)),
    ]


def _mark(name: str, *, locked: bool = False, solution: bool = False, grade: bool = False, points: int = 0) -> Any:
    mark = {
        "grade": grade,
        "grade_id": name,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": mark | ({"points": points} if grade else {})}
