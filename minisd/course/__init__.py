"""The course: chapters that run, exercises that are checked on the learner's own machine.

exercise.py   an exercise is one file: statement, hole, hints, cases, mistakes, right answers
holes.py      that file without its solution
answers.py    an answer's results on an exercise's cases, as plain data
compare.py    two results: where they differ, and by what rule
check.py      the verdict, in the learner's terms
own.py        the learner's files: which is whose, and what they fall back to
page.py       what a chapter shows: figures, and the library's source
"""

from minisd.course.check import check
from minisd.course.own import hint, mine, numbers_of, question
from minisd.course.page import show, show_rows, source

__all__ = ["check", "hint", "mine", "numbers_of", "question", "show", "show_rows", "source"]
