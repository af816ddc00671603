"""Check that all candidates compute the same, then let them take turns; medians count."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from minisd_kernels.devices import synchronise
from minisd_kernels.switches import tensor_cores

from minisd.bench.case import Arrays, Candidate, Case

LEAST_ROUNDS = 3
PAUSE, TURN, LONG = 0.01, 0.02, 0.1  # seconds


class Mismatch(ValueError):
    """Two candidates do not compute the same: their times must not be compared."""


@dataclass(frozen=True)
class Row:
    """What was measured of a case.

    Attributes:
        ms: milliseconds of each candidate, the median of its calls; minisd's under "minisd".
        least_ms: the shortest call's; far below the median where other processes disturbed.
        calls: how many of minisd's were counted.
        error: the largest difference from PyTorch that was found, relative; None without PyTorch.
        bytes: inputs and outputs, each once; None where that says little.
    """

    name: str
    group: str
    shapes: str
    flops: int
    bytes: int | None
    ms: dict[str, float]
    least_ms: dict[str, float]
    calls: int
    error: float | None

    @property
    def ours(self) -> float:
        return self.ms["minisd"]

    @property
    def best_of_theirs(self) -> str | None:
        """PyTorch's fastest way."""
        return min((name for name in self.ms if name != "minisd"), key=self.ms.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """PyTorch's time / minisd's time."""
        return None if self.best_of_theirs is None else self.ms[self.best_of_theirs] / self.ours

    @property
    def gflops(self) -> float:
        """Billions of operations a second."""
        return self.flops / self.ours / 1e6


def run_case(
    case: Case,
    torch: Any | None,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    *,
    compiled: bool = True,
    device: str = "cpu",
) -> Row:
    """Build the case, check it, time it for about `seconds`.

    What is compared is computed in full float32 by both, what is timed with tensor cores if they are allowed.

    Args:
        torch: the module ``minisd.bench.in_torch``, or None to time minisd alone.
        compiled: let PyTorch's compiler take part, too.
        device: where minisd's arrays live; PyTorch's device was chosen before.

    Raises:
        Mismatch: PyTorch's outputs or gradients are not ours.
    """
    work = case.build(device)
    theirs = [] if torch is None else work.theirs(torch)
    candidates = [work.ours, *(one for one in theirs if compiled or not one.name.endswith("compiled"))]
    with tensor_cores.off(), nullcontext() if torch is None else torch.without_tensor_cores():
        outputs = work.ours.outputs()
        errors = [largest_error(case, outputs, one.name, one.outputs()) for one in candidates[1:]]
    moved = None
    if work.inputs is not None:
        moved = sum(array.nbytes for arrays in (work.inputs, outputs) for array in arrays.values())
    del outputs
    times = take_turns(candidates, seconds, clock, device)
    return Row(
        case.name,
        case.group,
        case.shapes,
        work.flops,
        moved,
        {name: 1e3 * statistics.median(samples) for name, samples in times.items()},
        {name: 1e3 * min(samples) for name, samples in times.items()},
        len(times["minisd"]),
        max(errors, default=None),
    )


def largest_error(case: Case, ours: Arrays, name: str, theirs: Arrays) -> float:
    """The largest |ours - theirs| / |theirs| of any output.

    Raises:
        Mismatch: it is larger than the case's tolerance, or outputs or shapes differ.
    """
    where = f"{case.name}, {case.shapes}"
    if ours.keys() != theirs.keys():
        raise Mismatch(f"{where}: minisd returns {', '.join(ours)}; PyTorch ({name}) {', '.join(theirs)}")
    largest = 0.0
    for output, wanted in theirs.items():
        found = ours[output]
        if found.shape != wanted.shape:
            raise Mismatch(f"{where}: {output} is {found.shape} in minisd and {wanted.shape} in PyTorch ({name})")
        difference, length = float(np.linalg.norm(found - wanted)), float(np.linalg.norm(wanted))
        error = difference / length if length else difference
        if not error <= case.tolerance:  # NaN fails, too
            raise Mismatch(
                f"{where}: {output} differs from PyTorch's ({name}) by {error:.2g} of its length; "
                f"at most {case.tolerance:g} is rounding, so nothing was timed"
            )
        largest = max(largest, error)
    return largest


def take_turns(
    candidates: Sequence[Candidate],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    device: str = "cpu",
) -> dict[str, list[float]]:
    """Let each candidate have a turn every round, until `seconds` are over; every second round the other way about.

    A turn is a pause, a call that is not counted unless it was a long one, and calls for TURN seconds, at least one:
    after a call the threads of its pool keep a core busy for some milliseconds, waiting for more, and whoever came
    right behind would pay for that. On a GPU a call ends when the GPU has done its work, whoever asked for it. Returns
    the seconds of every counted call, by candidate.
    """

    def call(candidate: Candidate) -> None:
        candidate.run()
        synchronise(device)

    times: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
    order, end, rounds = list(candidates), clock() + seconds, 0
    while rounds < LEAST_ROUNDS or clock() < end:
        for candidate in order:
            samples = times[candidate.name]
            time.sleep(PAUSE)
            if not samples or samples[-1] < LONG:
                call(candidate)
            start = stop = clock()
            while stop == start or stop - start < TURN:
                before = stop
                call(candidate)
                stop = clock()
                samples.append(stop - before)
        order.reverse()
        rounds += 1
    return times


def mean_ratios(rows: Iterable[Row]) -> dict[str, float]:
    """The geometric mean of the ratios of every group that has some: of 2 and 1/2 it is 1."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        if row.ratio is not None:
            groups.setdefault(row.group, []).append(math.log(row.ratio))
    return {group: math.exp(statistics.fmean(logs)) for group, logs in groups.items()}
