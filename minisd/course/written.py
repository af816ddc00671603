"""Questions that are answered in words: the learner's sheet, and the reader's with marks and a sample answer."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Written:
    """One question: `marks` says for what each part of its `points` is given."""

    chapter: int
    asks: str
    points: int
    marks: tuple[str, ...]
    sample: str


@cache
def written() -> tuple[Written, ...]:
    """Every question, by chapter."""
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))["question"]
    return tuple(Written(**question | {"marks": tuple(question["marks"])}) for question in read)


def sheet(chapters: Iterable[int], *, for_reader: bool = False) -> str:
    """The questions of those chapters in Markdown, with room to answer; for the reader, with marks and samples."""
    chosen = set(chapters)
    parts = [_part(question, for_reader) for question in written() if question.chapter in chosen]
    head = "# In words: marks and sample answers" if for_reader else "# In words\n\nWrite a few sentences under each."
    return "\n\n".join([head, *parts]) + "\n"


def _part(question: Written, for_reader: bool) -> str:
    asked = f"## Chapter {question.chapter} ({question.points} points)\n\n{question.asks}"
    if not for_reader:
        return f"{asked}\n\n(your answer)"
    marks = "\n".join(f"- {mark}" for mark in question.marks)
    return f"{asked}\n\nPoints:\n\n{marks}\n\nSample: {question.sample}"
