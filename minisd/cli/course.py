"""minisd course: exercises to solve, to hand out and to grade. minisd tutorials: the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from minisd.cli.options import FOLDER, POSITIVE, SEED, Failure, FiniteFloat


class Chapters(click.types.StringParamType):
    """Chapters by number: 3, or 1-4, or 1,2,7-9."""

    name = "chapters"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        found: list[int] = []
        for part in value.split(","):
            match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part.strip())
            if match is None:
                self.fail(f"{value!r} names no chapters; write 3, or 1-4, or 1,2,7-9.", param, ctx)
            found += range(int(match[1]), int(match[2] or match[1]) + 1)
        if not found:
            self.fail(f"{value!r} is an empty range; write 1-4.", param, ctx)
        return found


chapters_option = click.option("--chapters", type=Chapters(), help="Only these: 3, or 1-4, or 1,2,7-9. [default: all]")


@click.group()
def course() -> None:
    """Exercises: solve them, hand them out, grade them."""


@course.command("list")
@chapters_option
def list_exercises(chapters: list[int] | None) -> None:
    """The exercises, their points and their minutes."""
    from minisd.course.build import choose

    for chapter, exercises in choose(chapters).items():
        click.echo(f"{chapter.number}. {chapter.title}")
        for exercise in exercises:
            work = f"{exercise.points:3} points {exercise.minutes:4} min"
            click.echo(f"  {'?' if exercise.is_question else ' '} {exercise.number:6}{work}  {exercise.title}")
    click.echo("? is a question: minisd course ask NUMBER prints it with your own numbers")


@course.command()
@click.argument("folder", type=FOLDER, default="minisd-course")
@click.option("--name", default="", help="Yours: the numbers of the questions are drawn from it.")
@click.option("--notebooks/--no-notebooks", default=True, show_default=True, help="Write the pages as notebooks, too.")
@chapters_option
def start(folder: Path, name: str, notebooks: bool, chapters: list[int] | None) -> None:
    """Write exercises for yourself into FOLDER; files there stay."""
    from minisd.course import own
    from minisd.course.build import choose, student
    from minisd.course.exercise import CourseError
    from minisd.course.notebook import require_notebooks

    if notebooks:
        try:
            require_notebooks()
        except CourseError as error:
            raise Failure(f"{error}; or leave the notebooks out: --no-notebooks") from error
    written = student(folder, choose(chapters), name=name, notebooks=notebooks)
    click.echo(f"wrote {len(written)} files to {folder}; read {folder / 'README.md'}")
    if name and (kept := own.student(folder)) != own.in_one_form(name):
        click.echo(f"{folder / own.NAME_FILE} stays as it is, with the name {kept!r}; change it there", err=True)


@course.command()
@click.argument("number")
def ask(number: str) -> None:
    """Print exercise NUMBER; a question comes with your own numbers."""
    from minisd.course import question

    question(number)


@course.command()
@click.argument("number")
@click.argument("which", type=click.IntRange(1, 3), required=False)
def hint(number: str, which: int | None) -> None:
    """Print the next of the three hints for NUMBER, or hint WHICH."""
    from minisd.course import hint as next_hint

    next_hint(number, which)


@course.command()
@click.argument("number", nargs=-1)
@chapters_option
@click.pass_context
def check(ctx: click.Context, number: tuple[str, ...], chapters: list[int] | None) -> None:
    """Check your exercise NUMBER, or every one that you have begun."""
    from minisd.course import grading
    from minisd.course.build import choose
    from minisd.course.exercise import load
    from minisd.course.own import folder

    exercises = [load(one) for one in number] or [e for several in choose(chapters).values() for e in several]
    verdicts = [grading.check(folder(), exercise) for exercise in exercises]
    for verdict in verdicts if number else [v for v in verdicts if v.kind not in ("unfinished", "missing")]:
        click.echo(str(verdict))
    begun = [verdict for verdict in verdicts if verdict.kind not in ("unfinished", "missing")]
    if len(verdicts) > 1:
        right = [verdict for verdict in verdicts if verdict.passed]
        points = sum(verdict.exercise.points for verdict in right)
        click.echo(f"{len(right)} right of {len(begun)} begun, of {len(verdicts)} in all: {points} points")
    if any(not verdict.passed for verdict in (verdicts if number else begun)):
        ctx.exit(1)


@course.command()
@click.argument("out", type=FOLDER)
@chapters_option
@click.option("--seed", type=SEED, help="Of the hidden cases. [default: drawn, and kept in OUT/teacher]")
@click.option("--nbgrader", is_flag=True, help="Write OUT/nbgrader, too: assignments for nbgrader.")
def build(out: Path, chapters: list[int] | None, seed: int | None, nbgrader: bool) -> None:
    """Write OUT/student, to hand out, and OUT/teacher, to keep."""
    from minisd.course import build as builder

    if out.exists() and any(out.iterdir()):
        raise Failure(f"{out} is there already, and not empty; choose another name, or delete it first")
    plan = builder.choose(chapters)
    written = builder.student(out / "student", plan) + builder.teacher(out / "teacher", plan, seed=seed)
    if nbgrader:
        secret = int((out / "teacher" / builder.SEED_FILE).read_text(encoding="utf-8"))
        written += builder.nbgrader(out / "nbgrader", plan, seed=secret)
    click.echo(f"wrote {len(written)} files: {out / 'student'} to hand out, {out / 'teacher'} to keep")


@course.command()
@click.argument("submissions", type=click.Path(exists=True, file_okay=False, path_type=Path))
@chapters_option
@click.option("--seed", type=SEED, required=True, help="Of the hidden cases: the number in teacher/hidden_seed.txt.")
@click.option("--out", type=FOLDER, default="reports", show_default=True, help="Where the reports go.")
@click.option("--jobs", type=POSITIVE, help="Answers tried at a time. [default: one a core]")
@click.option(
    "--seconds", type=FiniteFloat(min=0, min_open=True), default=10, show_default=True, help="For each answer."
)
@click.option("--plagiarism", is_flag=True, help="List pairs of answers that are suspiciously alike.")
def grade(
    submissions: Path,
    chapters: list[int] | None,
    seed: int,
    out: Path,
    jobs: int | None,
    seconds: float,
    plagiarism: bool,
) -> None:  # fmt: skip
    """Grade SUBMISSIONS, a folder of learners' folders, or one of these."""
    from tqdm import tqdm

    from minisd.course import grading
    from minisd.course.build import choose

    if out.exists() and any(out.iterdir()):
        raise Failure(f"{out} is there already, and not empty; choose another name with --out, or delete it first")
    exercises = [exercise for several in choose(chapters).values() for exercise in several]
    folders = grading.submissions(submissions)
    total = len(folders) * len(exercises)
    with tqdm(total=total, desc="grading", unit="answer", leave=False, disable=None, dynamic_ncols=True) as bar:
        limits = grading.Limits(seconds=seconds)
        reports = grading.grade(folders, exercises, seed=seed, jobs=jobs, limits=limits, done=bar.update)
    files = grading.write(reports, out)
    for report in reports:
        click.echo(f"{report.points:4} of {report.possible}  {report.student}")
    for pair in grading.pairs(folders, exercises) if plagiarism else ():
        click.echo(f"alike: {pair}")
    click.echo(f"wrote {len(files)} files to {out}")


@click.command()
@click.option("--copy", type=FOLDER, help="Copy the pages into this folder, to run and to change.")
@click.option("--notebooks", is_flag=True, help="With --copy: as Jupyter notebooks.")
def tutorials(copy: Path | None, notebooks: bool) -> None:
    """List the pages, or copy them out."""
    from minisd.course.chapters import chapters, folder

    if notebooks and copy is None:
        raise click.UsageError("--notebooks goes with --copy FOLDER.")
    if copy is None:
        for chapter in chapters().values():
            click.echo(f"{chapter.number:2}. {chapter.title}")
        click.echo(f"in {folder()}; minisd tutorials --copy FOLDER copies them out, with --notebooks for Jupyter")
        return
    click.echo(f"copied {_copy(chapters().values(), copy, notebooks)} pages to {copy}")


def _copy(pages: Iterable[Any], out: Path, notebooks: bool) -> int:
    from minisd.checkpoint import write_atomically
    from minisd.course import notebook

    if notebooks:
        notebook.require_notebooks()
    pages = list(pages)
    targets = [out / page.file.with_suffix(".ipynb" if notebooks else ".py").name for page in pages]
    if taken := [target for target in targets if target.exists()]:
        raise Failure(f"{taken[0]} is there already; choose another folder, or delete it first")
    out.mkdir(parents=True, exist_ok=True)
    for page, target in zip(pages, targets, strict=True):
        if notebooks:
            notebook.write(notebook.student_notebook(page, []), target)
        else:
            write_atomically(target, page.file.read_bytes())
    return len(pages)
