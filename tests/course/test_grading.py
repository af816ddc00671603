"""Many submissions: each gets its marks and its page, whatever the others are."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from minisd.course import own
from minisd.course.answers import pack, pack_cases, try_on, unpack, unpack_cases
from minisd.course.check import judge, trials
from minisd.course.exercise import CourseError, Exercise, load, numbers
from minisd.course.grading import sandbox
from minisd.course.grading.grade import Report, check, grade, submissions
from minisd.course.grading.plagiarism import with_helpers
from minisd.course.grading.report import markdown, rows, write
from minisd.course.grading.submission import Submission, Unreadable
from minisd.course.holes import hole, trial

SIZES, QUESTION = load("02.1"), load("02.9")
RIGHT = "def output_size(size, window, stride=1, padding=0):\n    return (size + 2 * padding - window) // stride + 1\n"
WRONG = RIGHT.replace("2 * padding", "padding")
FENCE = "```\n# 10 of 10"
ALL_BY_THE_LIBRARY: set[str] = set()  # whose right answers all call it
WRITTEN = [load(number) for number in numbers() if not load(number).is_question]


def hand_in(folder: Path, name: str | None = "ada", size: str | None = None, answer: str | None = None) -> Path:
    (folder / "exercises").mkdir(parents=True)
    if name is not None:
        (folder / own.NAME_FILE).write_text(f"{name}\n")
    if size is not None:
        (folder / "exercises" / SIZES.file.name).write_text(size, encoding="utf-8")
    if answer is not None:
        (folder / own.ANSWERS_FILE).write_text(answer)
    return folder


def answer_of(name: str) -> str:
    (case,) = trials(QUESTION, 0, name)
    return f'"02.9" = {QUESTION.reference(*case)}\n'


def graded(*folders: Path) -> list[Report]:
    return grade(folders, [QUESTION, SIZES], seed=7, jobs=2)


def kinds(report: Report) -> list[str]:
    return [verdict.kind for verdict in report.verdicts]


# ---- Marks


def test_each_submission_gets_its_own_marks(tmp_path: Path) -> None:
    reports = graded(
        hand_in(tmp_path / "a", "Ada Lovelace", RIGHT, answer_of("ada lovelace")),
        hand_in(tmp_path / "b", "Bo", WRONG, answer_of("ada lovelace")),
        hand_in(tmp_path / "c", "Cy", "import os\nos._exit(0)\n", "not toml at all"),
        hand_in(tmp_path / "d", "Di", hole(SIZES)),
        tmp_path / "nobody",
    )
    assert [kinds(report) for report in reports] == [
        ["passed", "passed"],
        ["wrong", "wrong"],
        ["exit", "unreadable"],
        ["unfinished", "missing"],
        ["missing", "missing"],
    ]
    assert [report.student for report in reports] == ["Ada Lovelace", "Bo", "Cy", "Di", "nobody"]
    assert [report.points for report in reports] == [SIZES.points + QUESTION.points, 0, 0, 0, 0]
    assert "2P longer" in reports[1].verdicts[0].message, "the mistake is named"
    assert "Nothing was handed in" in reports[4].remarks[0]


def test_the_learners_own_file_is_graded_never_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a reference that is wrong, a right answer is what fails, and it fails by that."""
    folder = hand_in(tmp_path / "a", "ada", RIGHT)
    monkeypatch.setattr(SIZES.module, "output_size", lambda size, window, stride=1, padding=0: 12345)
    (report,) = grade([folder], [SIZES], seed=0)
    assert report.verdicts[0].kind == "wrong" and "12345 is wanted" in report.verdicts[0].message.replace(
        "wanted is 12345", "12345 is wanted"
    )


def test_the_cases_come_from_the_teachers_seed(tmp_path: Path) -> None:
    """Who writes down the results of the visible cases has not solved the exercise."""
    seen = {case: SIZES.reference(*case) for case in trials(SIZES, 0)}
    text = f"SEEN = {seen!r}\ndef output_size(*case):\n    return SEEN[case]\n"
    folder = hand_in(tmp_path / "a", "ada", text)
    assert [grade([folder], [SIZES], seed=seed)[0].verdicts[0].kind for seed in (0, 99)] == ["passed", "wrong"]


def test_one_name_twice_is_remarked(tmp_path: Path) -> None:
    folders = [hand_in(tmp_path / folder, name) for folder, name in {"a": "ada", "b": "Ada", "c": "bo"}.items()]
    reports = grade(folders, [SIZES], seed=0)
    assert [any("same name" in remark for remark in report.remarks) for report in reports] == [True, True, False]


def test_a_failure_of_the_grader_is_not_the_learners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise OSError("no space left on the device")

    monkeypatch.setattr(sandbox, "verdict", fails)
    (report,) = grade([hand_in(tmp_path / "a", "ada", RIGHT, answer_of("ada"))], [SIZES, QUESTION], seed=0)
    assert kinds(report) == ["ungraded", "passed"]
    assert "no space left" in report.verdicts[0].message


def test_submissions_are_found(tmp_path: Path) -> None:
    for name in ("b", "a"):
        hand_in(tmp_path / name)
    (tmp_path / "c").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "list.txt").write_text("x")
    assert submissions(tmp_path) == [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    assert submissions(tmp_path / "a") == [tmp_path / "a"]
    with pytest.raises(CourseError, match="is no folder"):
        submissions(tmp_path / "list.txt")
    with pytest.raises(CourseError, match="holds no submissions"):
        submissions(tmp_path / ".git")


# ---- What builds on something earlier


@pytest.fixture
def later(tmp_path: Path) -> Exercise:
    """An exercise that takes 02.1 with `mine`."""
    file = tmp_path / "ex02_5_twice.py"
    file.write_text(
        '"""Two windows one after the other"""\n'
        "from minisd.course import mine\n"
        'output_size = mine("02.1")\n'
        'GIVEN, POINTS = ("mine", "output_size"), 1\n'
        'def twice(size, window):\n    """Places"""\n    return output_size(output_size(size, window), window)\n'
        "def cases(rng, dtype):\n    yield 9, 3\n    yield 28, 5\n"
    )
    module = ModuleType("minisd.course.exercises.ex02_5_twice")
    exec(file.read_text(), vars(module))
    return Exercise("02.5", file, module)


TWICE = (
    "from minisd.course import mine\noutput_size = mine('02.1')\n"
    "def twice(size, window):\n    return output_size(output_size(size, window), window)\n"
)


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ({}, "passed"),  # the library stands in
        ({"ex02_1_output_size.py": hole(SIZES)}, "passed"),
        ({"ex02_1_output_size.py": RIGHT}, "passed"),
        ({"ex02_1_output_size.py": RIGHT.replace("+ 1", "+ 2")}, "wrong"),  # it is the learner's own that runs
        ({"ex02_1_output_size.py": "import torch\n" + RIGHT}, "refused"),
    ],
)
def test_an_exercise_builds_on_the_learners_own(later: Exercise, before: dict[str, str], kind: str) -> None:
    found = sandbox.verdict(later, {"ex02_5_twice.py": TWICE, **before})
    assert found.kind == kind, found


def test_what_stands_in_may_not_be_asked_for_more(later: Exercise) -> None:
    """With the library in the process's memory, its files stay closed and its modules cannot be asked for."""
    for line, kind in {
        "import pickle; pickle.loads(b'cminisd_kernels.conv2d\\nforward\\n.')": "refused",
        "mine('02.3')": "refused",
        f"open({str(SIZES.file)!r})": "refused",
    }.items():
        assert sandbox.verdict(later, {"ex02_5_twice.py": f"{TWICE}    {line}\n{line}\n"}).kind != "passed", line
        assert kind


def test_one_mistake_costs_once(tmp_path: Path, later: Exercise) -> None:
    """An earlier answer that did not pass is not built on."""
    folder = hand_in(tmp_path / "a", "ada", RIGHT.replace("+ 1", "+ 2"))
    (folder / "exercises" / later.file.name).write_text(TWICE)
    assert kinds(grade([folder], [later, SIZES], seed=0)[0]) == ["wrong", "passed"]


def test_a_learner_checks_as_it_will_be_graded(tmp_path: Path, later: Exercise) -> None:
    folder = hand_in(tmp_path / "a", "ada", RIGHT.replace("+ 1", "+ 2"))
    (folder / "exercises" / later.file.name).write_text(TWICE)
    assert check(folder, SIZES).kind == "wrong"
    assert check(folder, later).kind == "wrong", "it builds on what the learner wrote"
    assert check(folder, QUESTION).kind == "missing"
    (folder / "exercises" / SIZES.file.name).write_text(hole(SIZES))
    assert check(folder, SIZES).kind == "unfinished"
    assert check(folder, later).kind == "passed"


def test_an_answer_may_raise_what_an_unwritten_one_does(tmp_path: Path) -> None:
    text = RIGHT.replace("    return", "    if stride:\n        return") + "    raise NotImplementedError('stride')\n"
    assert check(hand_in(tmp_path / "a", "ada", text), SIZES).kind == "passed"


# ---- What is handed in


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
def test_what_cannot_be_read_gets_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "solution.py").write_text(RIGHT)
    folders = {name: hand_in(tmp_path / name, name) for name in ("link", "pipe", "folder", "latin", "huge", "round")}
    place = {name: folder / "exercises" / SIZES.file.name for name, folder in folders.items()}
    place["link"].symlink_to(tmp_path / "solution.py")
    os.mkfifo(place["pipe"])
    place["folder"].mkdir()
    place["latin"].write_bytes(b"# one line\n# caf\xe9\n")
    with place["huge"].open("wb") as file:
        file.truncate(1 << 30)
    place["round"].symlink_to(place["round"])
    (folders["latin"] / own.ANSWERS_FILE).symlink_to(tmp_path / "solution.py")
    reports = dict(zip(folders, graded(*folders.values()), strict=True))
    said = {name: report.verdicts[0].message for name, report in reports.items()}
    assert {report.verdicts[0].kind for report in reports.values()} == {"unreadable"}
    assert "is a link" in said["link"] and "no file" in said["pipe"] and "no file" in said["folder"]
    assert "line 2" in said["latin"] and "1024 MB" in said["huge"] and "ex02_1" in said["round"]
    assert reports["latin"].verdicts[1].kind == "unreadable"


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_folder_of_exercises_that_lies_elsewhere_is_not_read(tmp_path: Path) -> None:
    hand_in(tmp_path / "ada", "ada", RIGHT)
    (tmp_path / "bo").mkdir()
    (tmp_path / "bo" / "exercises").symlink_to(tmp_path / "ada" / "exercises")
    (tmp_path / "bo" / own.NAME_FILE).symlink_to(tmp_path / "ada" / own.NAME_FILE)
    (report,) = grade([tmp_path / "bo"], [SIZES], seed=0)
    assert kinds(report) == ["unreadable"] and report.student == "bo"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (answer_of("ada"), "passed"),
        ("", "missing"),
        ('"02.9" = ', "unreadable"),
        ('"02.9" = true', "wrong"),
        ('"02.9" = "a text"', "wrong"),
        ('"02.9" = 1979-05-27', "wrong"),
        ('"02.9" = [[[]]]', "wrong"),
        ('"02.9" = nan', "wrong"),
        (f'"02.9" = {"[" * 9999}', "unreadable"),
        (f'"02.9" = 1{"0" * 4000}', "wrong"),
    ],
)
def test_answers_to_questions(tmp_path: Path, text: str, kind: str) -> None:
    (report,) = grade([hand_in(tmp_path / "a", "ada", None, text)], [QUESTION], seed=0)
    assert kinds(report) == [kind], report.verdicts[0]


def notebook(*cells: str) -> str:
    """A notebook; a cell that begins with # is text."""
    kinds = ["markdown" if cell.startswith("#") else "code" for cell in cells]
    written = [
        {"cell_type": kind, "metadata": {}, "source": cell.splitlines(keepends=True)}
        for kind, cell in zip(kinds, cells, strict=True)
    ]
    return json.dumps({"nbformat": 4, "cells": written})


def test_an_answer_is_taken_out_of_a_notebook(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "a")
    (folder / "02_sizes.ipynb").write_text(
        notebook(
            "%matplotlib inline\nimport minisd\nfrom math import floor\nHALF = 2\nx = minisd.Pipeline.load()",
            "def output_size(size, window, stride=1, padding=0):\n    return 0  # a first try",
            "def helper(n, d):\n    return floor(n / d)",
            "def output_size(size, window, stride=1, padding=0):\n"
            "    return helper(size + HALF * padding - window, stride) + 1\ncheck('02.1', output_size)",
            "this is no Python",
        )
    )
    (folder / "broken.ipynb").write_text("{")
    source = Submission(folder).source(SIZES)
    assert "helper" in source and "HALF" in source and "floor" in source
    assert "check(" not in source and "minisd" not in source and "a first try" not in source
    assert kinds(grade([folder], [SIZES], seed=0)[0]) == ["passed"]


def test_a_written_file_comes_before_a_notebook_and_an_unwritten_one_after_it(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "a", "ada", hole(SIZES))
    assert Submission(folder).source(SIZES) == hole(SIZES)
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "02.ipynb").write_text(notebook("### 02.1 Sizes", WRONG))
    assert "padding - window" in Submission(folder).source(SIZES)
    (folder / "exercises" / SIZES.file.name).write_text(RIGHT)
    assert Submission(folder).source(SIZES) == RIGHT


def test_a_chapters_own_lines_are_nobodys_answer(tmp_path: Path) -> None:
    """A page may define, or import, what an exercise asks for."""
    folder = hand_in(tmp_path / "a", "ada", hole(SIZES))
    (folder / "page.ipynb").write_text(
        notebook("# A page", RIGHT, "### 02.1 Sizes", hole(SIZES), "### 02.2 Next", "from x import output_size")
    )
    (folder / "other.ipynb").write_text(notebook(RIGHT, "output_size(3, 1)"))
    assert kinds(grade([folder], [SIZES], seed=0)[0]) == ["unfinished"]


LAST_CHECKS = [("{right}", "passed"), ("1", "wrong"), ("...", "missing"), ("x", "missing")]


@pytest.mark.parametrize(("last", "kind"), LAST_CHECKS)
def test_a_question_may_be_answered_in_a_notebook(tmp_path: Path, last: str, kind: str) -> None:
    folder = hand_in(tmp_path / "a", "ada", None, "# nothing here")
    right = answer_of("ada").partition("= ")[2].strip()
    (folder / "page.ipynb").write_text(
        notebook("question('02.9')\ncheck('02.9', ...)", f"check('02.9', {last.format(right=right)})")
    )
    assert kinds(grade([folder], [QUESTION], seed=0)[0]) == [kind]


def test_a_notebook_that_is_none_is_said(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "a")
    (folder / "cut.ipynb").write_text(notebook(RIGHT)[:-9])
    with pytest.raises(Unreadable, match="no notebook"):
        Submission(folder).source(SIZES)


def test_who_gives_no_name_is_known_by_the_folder_and_has_the_numbers_that_they_saw(tmp_path: Path) -> None:
    for name in (None, ""):
        folder = hand_in(tmp_path / f"team {name}", name, None, answer_of(""))
        (report,) = grade([folder], [QUESTION], seed=0)
        assert kinds(report) == ["passed"] and report.student == f"team {name}"
        assert "holds no name" in report.remarks[0]


# ---- Reports


def test_reports_and_the_table(tmp_path: Path) -> None:
    folders = [
        hand_in(tmp_path / "=1+1", '=HYPERLINK("x")', RIGHT),
        hand_in(tmp_path / "b b", "# *Bo* <b>\x1b[2J", f"def output_size(*case):\n    raise ValueError({FENCE!r})"),
    ]
    reports = graded(*folders)
    files = write(reports, tmp_path / "out")
    assert [file.name for file in files] == ["_1+1.md", "b_b.md", "marks.csv"]
    page = files[1].read_text(encoding="utf-8")
    assert page.startswith(r"# \# \*Bo\* \<b\>[2J".replace("[", r"\[")), "a name is no markup"
    assert "0 of 3 points" in page and "earned whole or not at all" in page
    assert "````text\ncase 1" in page, "an error is text, whatever it looks like"
    with files[2].open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["student"] for row in table] == ['\'=HYPERLINK("x")', "# *Bo* <b>[2J"], "no formula"
    assert [(row["02.1"], row["02.1 verdict"], row["02.9 verdict"]) for row in table] == [
        ("1", "passed", "missing"),
        ("0", "wrong", "missing"),
    ]
    assert [(row["total"], row["of"]) for row in table] == [("1", "3"), ("0", "3")]


def test_two_folders_of_one_name_keep_two_pages(tmp_path: Path) -> None:
    reports = [Report("a", "x y", ()), Report("b", "x_y", ())]
    files = write(reports, tmp_path)
    assert len({file.name for file in files}) == 3
    assert markdown(reports[0]) != markdown(reports[1])
    assert rows(reports)[1][0] == "a"


# ---- What goes into an answer's process, and what comes out


@pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.file.stem)
def test_an_answer_can_be_tried_without_the_exercise(exercise: Exercise) -> None:
    """The probe needs no more than what is given, and cases and outcomes survive the way."""
    cases = trials(exercise, 3)
    names: dict[str, Any] = {}
    exec(compile(trial(exercise), "<given>", "exec"), names)
    sent = unpack_cases(pack_cases(cases))
    assert pack_cases(sent) == pack_cases(cases)
    for answer in (exercise.reference, *exercise.variants("right").values()):
        made = unpack(pack(try_on(sent, answer, names.get("probe"))))
        assert judge(exercise, cases, made).passed


def test_plain_numbers_stay_what_they_are() -> None:
    values = [np.bool_(True), np.float32(1.5), np.array(2.5), np.zeros((0, 3)), True, 7, 1.5, "x", None]
    (outcome,) = unpack(pack(try_on([()], lambda: values)))
    assert [type(value) for value in outcome.value] == [type(value) for value in values]


@pytest.mark.parametrize("dtype", ["|O", "V8", "i4,f8", "<M8[s]", "object"])
def test_no_objects_come_out(dtype: str) -> None:
    text = json.dumps(
        [{"value": {"array": "", "type": dtype, "shape": [0]}, "error": None, "written": True, "changed": []}]
    )
    with pytest.raises(ValueError, match="no plain numbers"):
        unpack(text)


# ---- With what the builder writes


def test_what_a_learner_starts_with_earns_nothing_and_a_filled_notebook_does(tmp_path: Path) -> None:
    pytest.importorskip("jupytext")
    builder = importlib.import_module("minisd.course.build")
    builder.student(tmp_path / "ada", builder.choose([2]), name="Ada")
    (page,) = (tmp_path / "ada" / "notebooks").glob("*.ipynb")
    assert kinds(graded(tmp_path / "ada")[0]) == ["unfinished", "missing"]
    cells = json.loads(page.read_text(encoding="utf-8"))
    for cell in cells["cells"]:
        if "".join(cell["source"]) == hole(SIZES).rstrip():
            cell["source"] = RIGHT
    page.write_text(json.dumps(cells), encoding="utf-8")
    assert kinds(graded(tmp_path / "ada")[0]) == ["passed", "missing"]


@pytest.mark.slow
@pytest.mark.parametrize("exercise", WRITTEN, ids=lambda e: e.file.stem)
def test_every_exercise_can_be_graded_in_a_process_of_its_own(exercise: Exercise) -> None:
    """By right answers that keep the rule; one of the library's own words is refused."""
    tried = 0
    for name in exercise.variants("right"):
        text = as_answer(exercise, f"right_{name}")
        found = sandbox.verdict(exercise, {exercise.file.name: text}, seed=5)
        assert found.kind in ("passed", "refused"), f"{name}: {found}"
        tried += found.passed
    assert sandbox.verdict(exercise, {exercise.file.name: hole(exercise)}).kind == "unfinished"
    assert tried or exercise.number in ALL_BY_THE_LIBRARY


def as_answer(exercise: Exercise, name: str) -> str:
    """One of the exercise's right answers as a learner's file: imports, what it uses of the file, the hole's name."""
    file = exercise.file.read_text(encoding="utf-8")
    tree = ast.parse(file)
    kept = with_helpers(file, {name, *exercise.given})
    roles = (ast.FunctionDef, ast.ClassDef)
    tree.body = [node for node in tree.body if not isinstance(node, roles) or node.name in kept]
    uses_library = {a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names} & {
        node.id for top in tree.body if isinstance(top, roles) for node in ast.walk(top) if isinstance(node, ast.Name)
    }
    needed = uses_library | set(exercise.given)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in needed]
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.For) or (isinstance(node, ast.ImportFrom) and not node.names))
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            node.id = exercise.name
        elif isinstance(node, roles) and node.name == name:
            node.name = exercise.name
    return ast.unparse(tree)
