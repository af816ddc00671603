"""From one source the learner's folder and the teacher's.

The learner's holds the holes, the pages and the visible checks; no line of a solution. The teacher's holds the
solutions, the marks, the rubric, and the secret seed from which the hidden cases are drawn when it grades.
"""

from __future__ import annotations

import csv
import importlib.metadata
import io
import secrets
from collections.abc import Sequence
from pathlib import Path

from minisd.checkpoint import write_atomically
from minisd.course.chapters import Chapter, chapters
from minisd.course.exercise import CourseError, Exercise, load, numbers
from minisd.course.holes import hole, solved
from minisd.course.notebook import nbgrader_notebook, require_notebooks, student_notebook, teacher_notebook, write
from minisd.course.own import ANSWERS_FILE, NAME_FILE
from minisd.course.written import sheet

SEED_FILE = "hidden_seed.txt"
_CHECKS = '''"""What you can see of the checks: the marks come from other cases of the same kind."""

from pathlib import Path

import pytest

from minisd.course.exercise import load
from minisd.course.grading import check

NUMBERS = {numbers}


@pytest.mark.parametrize("number", NUMBERS)
def test_exercise(number: str) -> None:
    verdict = check(Path(__file__).parents[1], load(number))
    if verdict.kind in ("unfinished", "missing"):
        pytest.skip("not written yet")
    assert verdict.passed, verdict
'''
_WORKFLOW = """name: check
on: [push, pull_request]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.11"}
      - run: pip install -r requirements.txt
      - run: minisd course check
"""


def choose(chosen: Sequence[int] | None = None) -> dict[Chapter, list[Exercise]]:
    """The chapters of those numbers, or all, with their exercises.

    Raises:
        CourseError: there is no such chapter.
    """
    there = chapters()
    if unknown := [number for number in chosen or () if number not in there]:
        raise CourseError(f"no chapter {unknown[0]}; there are {min(there)} to {max(there)}")
    exercises = [load(number) for number in numbers()]
    return {
        chapter: [exercise for exercise in exercises if exercise.chapter == number]
        for number, chapter in there.items()
        if not chosen or number in chosen
    }


def student(out: Path, plan: dict[Chapter, list[Exercise]], *, name: str = "", notebooks: bool = True) -> list[Path]:
    """Write a learner's folder; a file that is there already stays as it is.

    Args:
        out: the folder.
        plan: chapters and exercises, as choose() gives them.
        name: the learner's, from which the numbers of the questions are drawn.
        notebooks: write the chapters as notebooks, too.

    Returns:
        The files that were written.
    """
    if notebooks:
        require_notebooks()
    exercises = [exercise for several in plan.values() for exercise in several]
    questions = [exercise for exercise in exercises if exercise.is_question]
    files = {
        "README.md": _student_readme(plan),
        NAME_FILE: f"{name}\n" if name else "",
        ANSWERS_FILE: _answers(questions),
        "written.md": sheet(chapter.number for chapter in plan),
        "requirements.txt": f"minisd[course]=={importlib.metadata.version('minisd')}\npytest>=8\n",
        ".github/workflows/check.yml": _WORKFLOW,
        ".gitignore": "__pycache__/\n.ipynb_checkpoints/\noutput/\n.venv/\n",
        "tests/test_exercises.py": _CHECKS.format(numbers=[e.number for e in exercises]),
        **{f"exercises/{e.file.name}": _student_file(e) for e in exercises if not e.is_question},
    }
    written = _write(out, files)
    for chapter, own in plan.items() if notebooks else ():
        path = out / "notebooks" / f"{chapter.file.stem}.ipynb"
        if not path.exists():
            write(student_notebook(chapter, own), path)
            written.append(path)
    return written


def teacher(out: Path, plan: dict[Chapter, list[Exercise]], *, seed: int | None = None) -> list[Path]:
    """Write the teacher's folder: solutions, solved notebooks, marks, rubric, and the seed of the hidden cases."""
    require_notebooks()
    exercises = [exercise for several in plan.values() for exercise in several]
    files = {
        "README.md": _teacher_readme(plan),
        SEED_FILE: f"{secrets.randbits(32) if seed is None else seed}\n",
        "marks.csv": _marks(exercises),
        "written.md": sheet((chapter.number for chapter in plan), for_reader=True),
        **{f"solutions/{e.file.name}": _solution_file(e) for e in exercises},
    }
    written = _write(out, files)
    for chapter, own in plan.items():
        path = out / "notebooks" / f"{chapter.file.stem}.ipynb"
        if not path.exists():
            write(teacher_notebook(chapter, own), path)
            written.append(path)
    return written


def nbgrader(out: Path, plan: dict[Chapter, list[Exercise]], *, seed: int) -> list[Path]:
    """Write nbgrader's ``source/`` folder and its configuration: an assignment a chapter."""
    require_notebooks()
    written = _write(out, {"nbgrader_config.py": _NBGRADER})
    for chapter, own in plan.items():
        path = out / "source" / chapter.file.stem / f"{chapter.file.stem}.ipynb"
        if any(not exercise.is_question for exercise in own) and not path.exists():
            write(nbgrader_notebook(chapter, own, seed), path)
            written.append(path)
    return written


_NBGRADER = """c = get_config()
c.CourseDirectory.course_id = "minisd"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py"]  # no source is copied to the learners
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\\nraise NotImplementedError()"}
"""


def _write(out: Path, files: dict[str, str]) -> list[Path]:
    written = []
    for name, text in files.items():
        path = out / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.encode())  # half a file would stay as it is at the next try
            written.append(path)
    return written


def _student_file(exercise: Exercise) -> str:
    asked = f"{exercise.number} {exercise.title}\n\n{exercise.statement}\n\n"
    ways = f"Check it with: minisd course check {exercise.number}\nA hint: minisd course hint {exercise.number}\n"
    return f"{_docstring(asked + ways)}\n\n{hole(exercise)}"


def _solution_file(exercise: Exercise) -> str:
    return f"{_docstring(f'{exercise.number} {exercise.title}: the solution.')}\n\n{solved(exercise)}"


def _docstring(text: str) -> str:
    """The text between quotes, as it reads: raw, where it has backslashes."""
    quotes = "'''" if '"""' in text else '"""'
    return f"{'r' if chr(92) in text else ''}{quotes}{text}{quotes}"


def _answers(questions: Sequence[Exercise]) -> str:
    lines = "".join(f'# "{question.number}" =    # {question.title}\n' for question in questions)
    return (
        "# Answers to the questions, a line each, without the # in front: a number, or a text in quotes.\n"
        f"# `minisd course ask NUMBER` prints a question with your own numbers, drawn from your name in {NAME_FILE}.\n"
        + lines
    )


def _student_readme(plan: dict[Chapter, list[Exercise]]) -> str:
    rows = "".join(
        f"| {e.number} | {e.title} | {e.points} | {e.minutes} |\n" for several in plan.values() for e in several
    )
    pages = "".join(f"- `notebooks/{chapter.file.stem}.ipynb`: {chapter.title}\n" for chapter in plan)
    return f"""# Stable Diffusion from scratch: your exercises

```sh
python3 -m venv .venv
. .venv/bin/activate          # Windows: .venv\\Scripts\\Activate.ps1
pip install -r requirements.txt
```

1. Write your name into `{NAME_FILE}`. The numbers of the questions are drawn from it.
2. Read a page (`jupyter lab notebooks/`, which `pip install jupyterlab` brings).
3. Fill the holes in `exercises/`, one file each; or in the notebook's cells, and copy them over.
4. `minisd course check 02.1` says whether it is right, and if not, what is wrong; `minisd course check` checks all.
   `minisd course hint 02.1` opens one hint after the other.
5. Questions: `minisd course ask NUMBER` prints one, with your own numbers; answers go into `{ANSWERS_FILE}`.
   Questions that want words stand in `written.md`.

An answer may take 10 seconds and 2 GB, print 1 MB and import Python's own library, NumPy and what its exercise gives.
An exercise that builds on an earlier one takes yours, or the library's as long as yours is not written.

## The pages

{pages}
## The exercises

| exercise | | points | minutes |
|---|---|---|---|
{rows}"""


def _teacher_readme(plan: dict[Chapter, list[Exercise]]) -> str:
    exercises = [exercise for several in plan.values() for exercise in several]
    numbers = ",".join(str(chapter.number) for chapter in plan)
    chosen = f" --chapters {numbers}" if len(plan) < len(chapters()) else ""
    return f"""# For the teacher

Keep this folder to yourself: it holds the solutions, and in `{SEED_FILE}` the seed of the hidden cases.

- `solutions/`: a file an exercise. Where the library has the function, the solution is that function.
- `notebooks/`: the pages with the exercises solved.
- `written.md`: the questions that are answered in words, with marks and sample answers.
- `marks.csv`: points and minutes of each exercise, {sum(e.points for e in exercises)} points in all.

Grade a folder of submissions, one folder a learner:

```sh
minisd course grade SUBMISSIONS --seed "$(cat {SEED_FILE})"{chosen} --out reports
```

It writes a report for each learner and `marks.csv` for all of them; `--plagiarism` lists pairs that are suspiciously
alike. Full points for an answer that is right in every hidden case, none otherwise; the report says what is wrong.
"""


def _marks(exercises: Sequence[Exercise]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("exercise", "title", "points", "minutes"))
    table.writerows((e.number, e.title, e.points, e.minutes) for e in exercises)
    return text.getvalue()
