"""Grading what others wrote: each answer is tried in a process of its own, and judged outside of it.

submission.py   what a learner handed in, read without trust: files, notebooks, answers
rules.py        what an answer may import: nothing that holds the solution
wall.py         what an answer's process may not do
landlock.py     what Linux itself refuses it of files, signals and the network
seccomp.py      what it refuses it of processes
child.py        that process: the cases come in, what the answer makes of them goes out
sandbox.py      the process from outside: its limits, how it ended, the verdict
grade.py        many submissions, many exercises: marks
plagiarism.py   answers that are suspiciously equal
report.py       a page a learner, a table for the teacher
"""

from minisd.course.grading.grade import Report, check, grade, submissions
from minisd.course.grading.plagiarism import pairs
from minisd.course.grading.report import write
from minisd.course.grading.sandbox import Limits

__all__ = ["Limits", "Report", "check", "grade", "pairs", "submissions", "write"]
