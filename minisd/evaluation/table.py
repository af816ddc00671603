"""What samplers make of few evaluations of the network: all of them, and several models, at the same cost.

An evaluation is one question of the sampler to the network, about every picture. A step of most samplers takes one, of
Heun's two but for the last, so that samplers are compared by evaluations and not by steps: each takes as many steps as
so many evaluations allow. Where guidance acts, the network answers each twice, with the prompt and without; what that
costs is in the seconds.

All draw the same prompts, those of the test digits, from the same noise, and the same judge looks at all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from minisd.diffusion.comparison import walk
from minisd.diffusion.schedule import NoiseSchedule
from minisd.diffusion.spacing import make_levels
from minisd.evaluation.digits import DrawingReport, Drawings, Floor
from minisd.model_info import ModelInfo
from minisd.pipeline import BATCH, Pipeline

EVALUATIONS = 1, 2, 4, 8, 16, 50
FEW = "few"  # stands where a sampler's name does, for the network that was distilled to draw in few steps
_WIDTH, _NAME, _COLUMN = 80, 24, 8  # letters of a line, of a sampler's name and of a number


class Asked(NamedTuple):
    """A cell of the table that is to be measured.

    Attributes:
        evaluations: at most so many; `calls` are taken, in so many `steps`.
    """

    model: str
    sampler: str
    evaluations: int
    steps: int
    calls: int


@dataclass(frozen=True)
class Cell:
    """What a sampler made of so many evaluations.

    Attributes:
        evaluations: at most so many were allowed; `calls` were taken, in so many `steps`.
        seconds: of the processors' time for a picture, from the prompt to the pixels; of all threads together.
        drawings: told digit, thickness and slant, beside the test digits that the prompts were taken from.
    """

    model: str
    sampler: str
    evaluations: int
    steps: int
    calls: int
    seconds: float
    drawings: DrawingReport


@dataclass
class Table:
    """Cells, and what real digits of the training set have in the drawings' place."""

    real: Floor
    cells: list[Cell]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def usual_samplers(info: ModelInfo) -> tuple[str, ...]:
    """The samplers that a model is usually drawn with: by whether its way from the noise is the straight one."""
    first = ("euler", "heun") if info.schedule == "flow" else ("ddpm", "ddim")
    return *first, "dpm_solver", "dpm_solver_sde"


def steps_for(sampler: str, evaluations: int, schedule: NoiseSchedule) -> int | None:
    """The most steps that take no more than so many evaluations; None for too few to be this sampler's.

    Heun's method asks twice a step but for the last one, which is Euler's: one step of it is Euler's method.

    Raises:
        ValueError: the schedule has fewer times than that.

    >>> from minisd.diffusion.schedule import make_schedule
    >>> [steps_for(sampler, 16, make_schedule("cosine")) for sampler in ("ddim", "heun")]
    [16, 8]
    >>> [steps_for("heun", evaluations, make_schedule("cosine")) for evaluations in (1, 2, 3, 4)]
    [None, None, 2, 2]
    """
    first = calls(sampler, 1, schedule)
    each = calls(sampler, 2, schedule) - first if schedule.steps > 1 else 1
    steps = 1 + (evaluations - first) // each
    make_levels(schedule, steps)  # is it possible?
    return None if steps < 1 or (steps == 1 and each > first) else steps


def calls(sampler: str, steps: int, schedule: NoiseSchedule) -> int:
    """How often a sampler asks the model: counted, on a point in the plane.

    >>> from minisd.diffusion.schedule import make_schedule
    >>> [calls(sampler, 8, make_schedule("cosine")) for sampler in ("ddim", "heun")]
    [8, 15]
    """
    return walk(sampler, make_levels(schedule, steps), np.zeros((1, 2))).calls


def plan(
    models: Mapping[str, Pipeline], samplers: Sequence[str] | None = None, evaluations: Sequence[int] = EVALUATIONS
) -> list[Asked]:
    """The cells of a table: every model with the `samplers`, or with those that are usual for it and, if it has one,
    with its network for few steps.

    Raises:
        ValueError: a model has fewer times t than that.
    """
    found = []
    for model, pipeline in models.items():
        for sampler in samplers or usual_samplers(pipeline.info):
            for most in sorted(evaluations):
                if (steps := steps_for(sampler, most, pipeline.schedule)) is not None:
                    found.append(Asked(model, sampler, most, steps, calls(sampler, steps, pipeline.schedule)))
        if samplers is None and pipeline.few is not None:
            known = sorted({*evaluations} & {*pipeline.few.info.choices})
            found += [Asked(model, FEW, steps, steps, steps) for steps in known]
    return found


def total_steps(asked: Sequence[Asked], count: int) -> int:
    """How many steps all cells take, of all batches of `count` pictures: so often `watch` is called by ``measure``."""
    return sum(one.steps for one in asked) * -(-count // BATCH)


def measure(
    models: Mapping[str, Pipeline],
    asked: Sequence[Asked],
    compared: Drawings,
    watch: Callable[[], None] = lambda: None,
    **drawing: Any,
) -> Iterator[Cell]:
    """Draw and measure one cell after the other.

    Args:
        watch: called after every step of every batch.
        drawing: options of ``Pipeline.draw`` besides sampler and steps, such as guidance; the network for few steps,
            in which these are settled, goes without them.
    """
    prompts = compared.prompts(detailed=True)
    for model in dict.fromkeys(one.model for one in asked):
        models[model].draw(prompts[:BATCH], steps=1)  # the first time costs more: it is not counted
    for one in asked:
        how = {"few": one.steps} if one.sampler == FEW else {"sampler": one.sampler, "steps": one.steps, **drawing}
        began = time.process_time()
        images = models[one.model].draw(prompts, seed=compared.seed, callback=lambda *_: watch(), **how)
        seconds = (time.process_time() - began) / len(prompts)
        yield Cell(*one, seconds, compared.report(images, detailed=True))


_MEASURES: dict[str, tuple[Callable[[Cell], str], Callable[[Floor], str]]] = {
    "accuracy": (lambda cell: f"{cell.drawings.accuracy:.3f}", lambda real: f"{real.accuracy:.3f}"),
    "Fréchet": (lambda cell: f"{cell.drawings.frechet:.2f}", lambda real: f"{real.frechet:.2f}"),
    "recall": (lambda cell: f"{cell.drawings.recall:.3f}", lambda real: f"{real.recall:.3f}"),
    "CPU ms a picture": (lambda cell: f"{1000 * cell.seconds:.1f}", lambda real: ""),
}


def lines(table: Table) -> Iterator[str]:
    """The table in lines of at most 80 letters: a block for each measure, a line a sampler, a column a cost."""
    cells = {(cell.model, cell.sampler, cell.evaluations): cell for cell in table.cells}
    columns = sorted({cell.evaluations for cell in table.cells})
    samplers = list(dict.fromkeys((cell.model, cell.sampler) for cell in table.cells))
    count = table.cells[0].drawings.count
    yield f"{count:,} drawings a number, told {table.cells[0].drawings.prompts}; the same noise."
    yield "Columns: how many evaluations of the network a picture may take."
    wide = (_WIDTH - _NAME) // _COLUMN
    for name, (value, of_real) in _MEASURES.items():
        for start in range(0, len(columns), wide):
            shown = columns[start : start + wide]
            yield ""
            yield f"{name:<{_NAME}}" + "".join(f"{n:>{_COLUMN}}" for n in shown)
            for place, (model, sampler) in enumerate(samplers):
                if place == 0 or samplers[place - 1][0] != model:
                    yield shortened(model, _WIDTH)
                found = [cells.get((model, sampler, n)) for n in shown]
                numbers = "".join(f"{value(cell) if cell else '-':>{_COLUMN}}" for cell in found)
                yield f"{f'  {sampler}':<{_NAME}}{numbers}"
            if real := of_real(table.real):
                yield f"{'real digits':<{_NAME}}{real:>{_COLUMN}}"
    yield ""
    yield from _remarks(table.cells)


def _remarks(cells: Sequence[Cell]) -> Iterator[str]:
    yield "An evaluation is a question of the sampler to the network. Where guidance acts,"
    yield "the network answers each twice, with the prompt and without."
    if any(cell.sampler == FEW for cell in cells):
        yield "few is the network that was distilled to draw in few steps: it answers once."
    for sampler in dict.fromkeys(cell.sampler for cell in cells if cell.calls < cell.evaluations):
        taken = {cell.evaluations: cell.calls for cell in cells if cell.sampler == sampler}
        counts = ", ".join(f"{calls} for {most}" for most, calls in sorted(taken.items()))
        yield shortened(f"{sampler} asks twice a step but for the last: {counts}", _WIDTH)


def shortened(name: str, most: int) -> str:
    """The end of a name that has more letters."""
    return name if len(name) <= most else f"...{name[3 - most :]}"
