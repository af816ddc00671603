"""A case: one piece of work, and the candidates that do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from minisd.autograd import Array

Arrays = dict[str, Array]


class Candidate(NamedTuple):
    """Someone who does the work.

    Attributes:
        name: "minisd", or what is special about this way of PyTorch's, such as "channels last".
        run: does the work once; this is what is timed.
        outputs: does the work once and returns what came out, in minisd's layout; called once, before any ``run``.
    """

    name: str
    run: Callable[[], object]
    outputs: Callable[[], Arrays]


class Work(NamedTuple):
    """A case with its inputs and weights made.

    Attributes:
        theirs: given the module ``minisd.bench.in_torch``, PyTorch's ways of doing the work.
        flops: additions and multiplications, each counted as one. Of matrix products and convolutions, where there are
            any: in whole steps nothing else is counted.
        inputs: what must be read; with the outputs, the least that moves through memory. None where that says little.
    """

    ours: Candidate
    theirs: Callable[[Any], list[Candidate]]
    flops: int
    inputs: Arrays | None


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        tolerance: the largest |ours - theirs| / |theirs|, lengths of whole arrays, for every output.
        build: makes inputs and weights, minisd's on the device that it is given; called when the case's turn comes.
    """

    name: str
    group: str
    shapes: str
    tolerance: float
    build: Callable[[str], Work]
