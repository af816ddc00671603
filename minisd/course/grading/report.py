"""The marks as pages: one in Markdown for each learner, one table (CSV) for the teacher."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from minisd.course.check import Verdict
from minisd.course.grading.grade import Report, earned

TABLE = "marks.csv"
_WORDS = {
    "passed": "right",
    "wrong": "wrong",
    "unfinished": "not written yet",
    "missing": "not handed in",
    "unreadable": "cannot be read",
    "broken": "cannot be imported",
    "refused": "not allowed",
    "timeout": "does not end",
    "memory": "too much memory",
    "exit": "ends the program",
    "crashed": "brings Python down",
    "output": "prints too much",
    "files": "writes too much",
    "ungraded": "not graded",
}


def markdown(report: Report) -> str:
    """The learner's page: a table of all exercises, then for each that is not right what is wrong with it."""
    lines = [
        f"# {_plain(report.student)}",
        "",
        f"{report.points} of {report.possible} points. An exercise's points are earned whole or not at all.",
        "",
        *(f"{_plain(remark)}\n" for remark in report.remarks),
        "| exercise | | points | |",
        "|---|---|---:|---|",
        *(
            f"| {v.exercise.number} | {v.exercise.title} | {earned(v)} of {v.exercise.points} | {_WORDS[v.kind]} |"
            for v in report.verdicts
        ),
        "",
    ]
    for verdict in report.verdicts:
        if verdict.message and verdict.kind != "missing":
            lines += _explained(verdict)
    return "\n".join(lines)


def _explained(verdict: Verdict) -> list[str]:
    """The message in a block of its own: a learner's error is text, whatever it looks like."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", verdict.message)), default=0))
    head = f"## {verdict.exercise.number} {verdict.exercise.title}: {_WORDS[verdict.kind]}"
    return [head, "", f"{fence}text", *_wrapped(verdict.message), fence, ""]


def _wrapped(text: str, width: int = 100) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        while len(line) > width:
            at = line.rfind(" ", 0, width)
            at = at if at > 0 else width
            lines.append(line[:at])
            line = line[at:].lstrip()
        lines.append(line)
    return lines


def write(reports: Sequence[Report], folder: Path) -> list[Path]:
    """Write each report as ``NAME.md``, and all marks as ``marks.csv``; a name is the submission's folder's.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for report in reports:
        stem = re.sub(r"[^\w.@+-]+", "_", report.folder).strip(".") or "submission"
        while (file := folder / f"{stem}.md") in files:
            stem += "_"
        file.write_text(markdown(report), encoding="utf-8")
        files.append(file)
    if reports:
        files.append(folder / TABLE)
        with files[-1].open("w", encoding="utf-8-sig", newline="") as table:
            csv.writer(table).writerows(rows(reports))
    return files


def rows(reports: Sequence[Report]) -> list[list[str | int]]:
    """The table: a line a learner; each exercise's points, then each one's kind."""
    numbers = [verdict.exercise.number for verdict in reports[0].verdicts]
    head = ["student", "submission", "total", "of", *numbers, *(f"{number} verdict" for number in numbers)]
    table: list[list[str | int]] = [[*head]]
    for report in reports:
        who = (_cell(report.student), _cell(report.folder))
        kinds = (verdict.kind for verdict in report.verdicts)
        table.append([*who, report.points, report.possible, *map(earned, report.verdicts), *kinds])
    return table


def _cell(text: str) -> str:
    """A name as a spreadsheet may read it: one that begins like a formula would be computed."""
    shown = "".join(letter for letter in text if letter.isprintable())
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _plain(text: str) -> str:
    """A name in Markdown: no letter of it means anything, no line ends in it."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", "".join(letter for letter in text if letter.isprintable()))
