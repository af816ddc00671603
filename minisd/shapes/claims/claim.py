"""A claim, the evidence that a check finds, and the verdict that follows.

right   what is claimed is the case where the text itself has it
loose   it is not, but a search found a condition, which the text leaves out, under which it is
wrong   neither
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Verdict = Literal["right", "loose", "wrong"]


class Evidence(NamedTuple):
    """What a check found.

    Attributes:
        holds: whether the claim is true where the text itself has it.
        shown: what was computed, with its numbers.
        condition: what makes the claim true after all; empty if nothing does that was searched.
        instead: what is right.
    """

    holds: bool
    shown: str
    condition: str = ""
    instead: str = ""


class Finding(NamedTuple):
    """A claim and what became of it; `condition` belongs to "loose", `instead` to all but "right"."""

    claim: str
    verdict: Verdict
    evidence: str
    condition: str
    instead: str


class Claim(NamedTuple):
    """What a text says, and how to find out.

    >>> claim = Claim("{} and {} are {}.", (2, 2, 4), lambda a, b, sum: Evidence(a + b == sum, f"{a + b}"))
    >>> claim.check().claim, claim.check().verdict, claim._replace(claimed=(2, 2, 5)).check().verdict
    ('2 and 2 are 4.', 'right', 'wrong')

    Attributes:
        text: a sentence with a gap for each claimed value that it names.
        claimed: the values.
        evidence: the check, which is given the values.
    """

    text: str
    claimed: tuple[Any, ...]
    evidence: Callable[..., Evidence]

    def check(self) -> Finding:
        """Find the evidence and judge by it."""
        found = self.evidence(*self.claimed)
        text = self.text.format(*(f"{value:,}" if isinstance(value, int) else value for value in self.claimed))
        if found.holds:
            return Finding(text, "right", found.shown, "", "")
        return Finding(text, "loose" if found.condition else "wrong", found.shown, found.condition, found.instead)
