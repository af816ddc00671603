"""course grade and course check: what a teacher and a learner see of the grader."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import minisd, refused

from minisd.course.exercise import load

NAME = load("02.1").file.name
RIGHT = "def output_size(size, window, stride=1, padding=0):\n    return (size + 2 * padding - window) // stride + 1\n"


def hand_in(folder: Path, name: str, text: str) -> Path:
    (folder / "exercises").mkdir(parents=True)
    (folder / "student.txt").write_text(name)
    (folder / "exercises" / NAME).write_text(text)
    return folder


def test_a_class_is_graded(tmp_path: Path) -> None:
    hand_in(tmp_path / "class" / "a", "Ada", RIGHT)
    hand_in(tmp_path / "class" / "b", "Bo", "import os\nos._exit(0)\n")
    said = minisd("course", "grade", tmp_path / "class", "--chapters", 2, "--seed", 3, "--out", tmp_path / "out")
    assert said.exit_code == 0, said.output
    points = [line.split() for line in said.output.splitlines()[:2]]
    assert [(line[0], line[-1]) for line in points] == [("1", "Ada"), ("0", "Bo")]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.md", "b.md", "marks.csv"]
    refused(minisd("course", "grade", tmp_path / "class", "--seed", 3, "--out", tmp_path / "out"), "is there already")


def test_nothing_to_grade_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = minisd("course", "grade", tmp_path / "empty", "--seed", 3, "--out", tmp_path / "out")
    refused(said, "holds no submissions")


@pytest.mark.parametrize(
    ("text", "status", "word"),
    [
        (RIGHT, 0, "passed"),
        (f"import torch\n{RIGHT}", 1, "imports torch"),
        ("raise SystemExit(0)", 1, "ends the program"),
    ],
)
def test_a_learner_is_told_what_the_grader_would_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, status: int, word: str
) -> None:
    monkeypatch.chdir(hand_in(tmp_path / "a", "Ada", text))
    said = minisd("course", "check", "2.1")
    assert said.exit_code == status and word in said.output, said.output
