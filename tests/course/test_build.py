"""From one source the learner's folder, in which no solution is left, and the teacher's, in which every one is."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from minisd.cli import main
from minisd.course import build, grading, own
from minisd.course.check import verdict
from minisd.course.exercise import CourseError, Exercise
from minisd.course.holes import solved, solved_between
from minisd.course.written import written as written_questions

pytest.importorskip("jupytext", reason="notebooks need jupytext")
PLAN = build.choose()
EXERCISES = [exercise for several in PLAN.values() for exercise in several]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("course")
    build.student(out / "student", PLAN, name="Ada")
    build.teacher(out / "teacher", PLAN, seed=5)
    build.nbgrader(out / "nbgrader", PLAN, seed=5)
    return out


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def written(path: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in cells(path))


def bodies(exercise: Exercise) -> list[str]:
    """Every line that only the solution has: of the hole's bodies, of its helpers, mistakes and other answers."""
    text = exercise.file.read_text(encoding="utf-8").splitlines()
    lines: list[str] = []
    for node in ast.parse("\n".join(text)).body:
        name = getattr(node, "name", "")
        if name in ("cases", "probe", "numbers") or name in exercise.given:
            continue
        for function in (part for part in ast.walk(node) if isinstance(part, ast.FunctionDef)):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            if body:
                lines += [line.strip() for line in text[body[0].lineno - 1 : function.end_lineno]]
    return [line for line in lines if len(line) > 14 and not line.startswith(("return NotImplemented", "raise Not"))]


def test_no_line_of_a_solution_is_left_in_the_learners_folder(built: Path) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (built / "student").rglob("*") if path.is_file()}
    assert len(texts) > 10
    shown = "\n".join(chapter.text for chapter in PLAN)  # what a chapter shows by itself is no secret
    for exercise in EXERCISES:
        arguments = str(inspect.signature(exercise.reference))
        for line in bodies(exercise):
            if line not in shown + exercise.statement + arguments:
                held = [path.name for path, text in texts.items() if json.dumps(line)[1:-1] in text or line in text]
                assert not held, f"{exercise.number}: {line!r} is left in {held}"


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.file.stem)
def test_the_teachers_solution_is_whole(exercise: Exercise, built: Path) -> None:
    text = (built / "teacher" / "solutions" / exercise.file.name).read_text(encoding="utf-8")
    assert "TODO" not in text and "NotImplementedError" not in text and own.is_written(text, exercise.name)
    answer = getattr(own.import_file(built / "teacher" / "solutions" / exercise.file.name), exercise.name)
    found = answer(*own.numbers_of(exercise.number)) if exercise.is_question else answer
    assert verdict(exercise, found, seed=5).passed


def test_the_learners_file_is_what_is_checked(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(own.FOLDER_VARIABLE, str(built / "student"))
    exercise = next(e for e in EXERCISES if e.name == "output_size")
    assert grading.check(built / "student", exercise).kind == "unfinished"
    assert own.mine(exercise.number) is exercise.reference, "while it is not written the library's stands in"
    file = own.path(exercise)
    before = file.read_text(encoding="utf-8")
    file.write_text("def output_size(size, window, stride=1, padding=0):\n    return 7\n")
    try:
        assert grading.check(built / "student", exercise).kind == "wrong"
        assert own.mine(exercise.number)(572, 3) == 7
    finally:
        file.write_text(before)


def test_a_notebook_holds_statement_hole_and_check_of_each_exercise(built: Path) -> None:
    for chapter, exercises in PLAN.items():
        student = "\n".join(
            "".join(cell["source"]) for cell in cells(built / f"student/notebooks/{chapter.file.stem}.ipynb")
        )
        teacher = "\n".join(
            "".join(cell["source"]) for cell in cells(built / f"teacher/notebooks/{chapter.file.stem}.ipynb")
        )
        for exercise in exercises:
            assert f"### {exercise.number} {exercise.title}" in student
            assert f'check("{exercise.number}", ' in student
            assert "<details><summary>Hint 3</summary>" in student
            assert solved(exercise).strip() in teacher and solved(exercise).strip() not in student


def test_nbgraders_source_marks_solutions_points_and_hidden_cases(built: Path) -> None:
    for chapter, exercises in PLAN.items():
        asked = [exercise for exercise in exercises if not exercise.is_question]
        file = built / "nbgrader" / "source" / chapter.file.stem / f"{chapter.file.stem}.ipynb"
        if not asked:
            assert not file.exists()
            continue
        marks = [cell["metadata"]["nbgrader"] for cell in cells(file) if "nbgrader" in cell["metadata"]]
        assert len({mark["grade_id"] for mark in marks}) == len(marks) == 3 * len(asked)
        assert sum(mark.get("points", 0) for mark in marks) == sum(exercise.points for exercise in asked)
        text = written(file)
        assert text.count("### BEGIN SOLUTION") == text.count("### END SOLUTION") >= len(asked)
        assert text.count("### BEGIN HIDDEN TESTS") == len(asked)


def test_questions_in_words_have_marks_that_add_up_and_samples_that_only_the_reader_sees(built: Path) -> None:
    asked, marked = ((built / who / "written.md").read_text(encoding="utf-8") for who in ("student", "teacher"))
    for question in written_questions():
        assert sum(int(mark.partition(":")[0]) for mark in question.marks) == question.points
        if question.chapter in {chapter.number for chapter in PLAN}:
            assert question.asks in asked and question.asks in marked
            assert question.sample in marked and question.sample not in asked
            assert not any(mark in asked for mark in question.marks)


@pytest.mark.parametrize("exercise", [e for e in EXERCISES if not e.is_question], ids=lambda e: e.file.stem)
def test_what_nbgrader_leaves_can_be_run_and_filled(exercise: Exercise) -> None:
    """nbgrader puts a stub in each marked place: what is left defines the hole, as unwritten as the learner's."""
    text = solved_between(exercise, "### BEGIN SOLUTION", "### END SOLUTION")
    stub = r"\1raise NotImplementedError()"
    left = re.sub(r"(?ms)^( *)### BEGIN SOLUTION.*?### END SOLUTION", stub, text)
    for source, kind in ((text, "passed"), (left, "unfinished")):
        namespace: dict[str, Any] = {"__name__": "notebook"}
        exec(compile(source, exercise.file.name, "exec"), namespace)
        assert verdict(exercise, namespace[exercise.name]).kind == kind
    assert not {line.strip() for line in left.splitlines()} & set(bodies(exercise))


def test_what_a_learner_has_written_is_never_replaced(built: Path) -> None:
    answers = built / "student" / own.ANSWERS_FILE
    before = answers.read_text(encoding="utf-8")
    answers.write_text('"02.5" = 3\n')
    assert build.student(built / "student", PLAN, name="another") == []
    assert answers.read_text(encoding="utf-8") == '"02.5" = 3\n'
    answers.write_text(before)
    assert own.student(built / "student") == "ada"


# ---- Commands


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["course", *map(str, arguments)])


def test_build_refuses_a_folder_with_something_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    found = command("build", tmp_path)
    assert found.exit_code == 2 and "not empty" in found.output and not (tmp_path / "student").exists()


@pytest.mark.parametrize("chapters", ["x", "4-", "5-4", "1-2-3", "", "99"])
def test_chapters_that_are_none_are_refused(chapters: str) -> None:
    found = command("list", "--chapters", chapters)
    assert found.exit_code == 2 and isinstance(found.exception, SystemExit)


def test_a_learner_starts_asks_and_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("start", tmp_path / "c", "--no-notebooks", "--chapters", "2", "--name", "Ada").exit_code == 0
    monkeypatch.chdir(tmp_path / "c" / "exercises")
    assert "unfinished" in (found := command("check", "02.1")).output and found.exit_code == 1
    assert command("check").exit_code == 0, "nothing is begun, so nothing is wrong"
    hints = [command("hint", "02.1").output for _ in range(4)]
    assert [hint[:11] for hint in hints] == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"]
    question = next(e for e in EXERCISES if e.is_question and e.chapter == 2)
    asked = command("ask", question.number).output
    assert all(str(number) in asked for number in own.numbers_of(question.number))
    assert command("ask", "77.1").exit_code == 2


def test_a_name_that_is_there_stays_and_is_told(tmp_path: Path) -> None:
    command("start", tmp_path, "--no-notebooks", "--chapters", "2", "--name", "Ada")
    assert "stays as it is" not in command("start", tmp_path, "--no-notebooks", "--name", " ADA ").output
    assert "with the name 'ada'" in command("start", tmp_path, "--no-notebooks", "--name", "Bo").output


def test_without_jupytext_there_is_a_way_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = command("start", tmp_path / "c", "--chapters", "2")
    assert found.exit_code == 2 and "pip install" in found.output and "--no-notebooks" in found.output


def test_a_question_without_a_name_says_that_its_numbers_are_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(own.FOLDER_VARIABLE, str(tmp_path))
    question = next(e for e in EXERCISES if e.is_question).number
    assert "nobody's numbers" in command("ask", question).output
    (tmp_path / own.NAME_FILE).write_text("Ada")
    assert "nobody's numbers" not in command("ask", question).output
    (tmp_path / own.NAME_FILE).write_text("Ada", encoding="utf-16")
    found = command("ask", question)
    assert found.exit_code == 2 and "save it again as UTF-8" in found.output


@pytest.mark.parametrize("text", ["[", "3", '{"02.1": null}', '{"02.1": 1e400}', '{"02.1": -7}', '{"02.1": "x"}'])
def test_hints_of_a_damaged_file_begin_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "exercises").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / own.HINTS_FILE).write_text(text)
    assert command("hint", "02.1").output.startswith("hint 1 of 3")


def test_a_full_disk_leaves_no_half_file_that_would_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        found = command("start", tmp_path / "c", "--chapters", "2")
        copied = CliRunner().invoke(main, ["tutorials", "--copy", str(tmp_path / "pages")])
    for result in found, copied:
        assert result.exit_code == 2 and "No space left" in result.output
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_question_is_answered_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = next(e for e in EXERCISES if e.is_question and e.chapter == 2)
    command("start", tmp_path, "--no-notebooks", "--chapters", "2", "--name", "Ada")
    monkeypatch.chdir(tmp_path)
    right = question.reference(*own.numbers_of(question.number))
    for answer, kind in ((right, "passed"), (right + 1, "wrong")):
        (tmp_path / own.ANSWERS_FILE).write_text(f'"{question.number}" = {answer}\n')
        assert kind in command("check", question.number).output
    for line in ("02.9 = = 3", f'"{question.number}" = {"9" * 10_000}'):
        (tmp_path / own.ANSWERS_FILE).write_text(f"{line}\n")
        assert "answers.toml" in command("check", question.number).output


def test_tutorials_are_listed_and_copied_once(tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["tutorials"])
    assert all(chapter.title in listed.output for chapter in PLAN)
    for options in ([], ["--notebooks"]):
        copied = CliRunner().invoke(main, ["tutorials", "--copy", str(tmp_path), *options])
        assert copied.exit_code == 0, copied.output
    assert len(list(tmp_path.glob("*.py"))) == len(list(tmp_path.glob("*.ipynb"))) == len(PLAN)
    again = CliRunner().invoke(main, ["tutorials", "--copy", str(tmp_path)])
    assert again.exit_code == 2 and "is there already" in again.output


def test_a_chapter_that_is_not_there_is_said() -> None:
    with pytest.raises(CourseError, match="there are 1 to"):
        build.choose([99])


def test_the_readme_and_the_guide_list_what_there_is() -> None:
    root = Path(build.__file__).parents[2]
    if not (root / "README.md").is_file():
        pytest.skip("no README beside the package: it comes with the source, not the wheel")
    readme = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    guide = (root / "docs" / "teaching.md").read_text(encoding="utf-8")
    for chapter, exercises in PLAN.items():
        assert f"{chapter.number}. [{chapter.title}](tutorials/{chapter.file.name})" in readme
        points, minutes = (sum(getattr(e, what) for e in exercises) for what in ("points", "minutes"))
        questions = sum(e.is_question for e in exercises)
        counts = (len(exercises) - questions, questions, points, minutes)
        row = f"| {chapter.number} | {chapter.title} | {' | '.join(map(str, counts))} |"
        assert row in guide, row
    questions = sum(e.is_question for e in EXERCISES)
    assert f"{len(EXERCISES) - questions} exercises and {questions} questions" in readme
