"""A network's sizes, layer by layer: the sums done, and the place where they stop."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from minisd_kernels.shapes import ReceptiveField, ShapeError

from minisd.shapes.report.layers import AXES, Layer, Map, Source
from minisd.shapes.report.network import Network, Step

LARGEST_SIZE = 10**9

Sight = tuple[ReceptiveField, ReceptiveField] | Literal["all", "nothing"] | None
"""What a map's pixels see of the input: by height and by width; all of it; nothing, coming of another; or not known."""


@dataclass(frozen=True)
class Row:
    """One layer with its numbers.

    Attributes:
        inputs: the maps that it takes.
        formulas: by height and by width; empty where a size stays.
        output: None where the layer is unknown, or comes behind an unknown one.
        unread: rows and columns of the padded input that no window reads.
    """

    step: Step
    inputs: tuple[Map, ...]
    formulas: tuple[str, str] = ("", "")
    output: Map | None = None
    unread: tuple[int, int] = (0, 0)
    parameters: int = 0
    multiply_adds: int = 0
    sees: Sight = None

    @property
    def bytes(self) -> int:
        """Memory of the output, float32, for one picture."""
        return 4 * (self.output.values if self.output else prod(self.step.array or (0,)))


@dataclass(frozen=True)
class Problem:
    """Where the sizes part.

    Attributes:
        step: number of the layer.
        axis: 0 height, 1 width, None where channels are the matter.
    """

    step: int
    axis: int | None
    message: str


@dataclass(frozen=True)
class Report:
    """All rows up to the first problem, if there is one."""

    network: Network
    rows: tuple[Row, ...]
    problem: Problem | None = None

    @property
    def output(self) -> Map | None:
        return self.rows[-1].output if self.rows else self.network.input

    @property
    def unknown(self) -> tuple[Step, ...]:
        """The layers whose work is not known; most often their sizes are not known either."""

        def lost(row: Row) -> bool:
            return row.step.layer is None and row.step.array is None and len(row.inputs) == len(row.step.inputs) > 0

        return tuple(row.step for row in self.rows if row.step.unknown or lost(row))


def examine(network: Network) -> Report:
    """Follow the sizes through the network.

    >>> from minisd.shapes.report.text import parse
    >>> report = examine(parse("572x572x1 conv3:64 conv3:64 pool2"))
    >>> [str(row.output) for row in report.rows], report.rows[0].formulas[0]
    (['570 x 570 x 64', '568 x 568 x 64', '284 x 284 x 64'], 'floor((572 + 2*0 - 3) / 1) + 1')
    """
    maps: list[Map | None] = [network.input]
    sights: list[Sight] = [(ReceptiveField.of_input(), ReceptiveField.of_input())]
    rows: list[Row] = []
    problem = None
    for number, step in enumerate(network.steps):
        inputs = tuple(map for i in step.inputs if (map := maps[i]) is not None)
        row = Row(step, inputs, parameters=step.parameters or 0, multiply_adds=step.multiply_adds or 0)
        if step.layer is not None and len(inputs) == len(step.inputs):
            outcome = _row(step, inputs, [sights[i] for i in step.inputs], network.input)
            if isinstance(outcome, Problem):
                problem = Problem(number, outcome.axis, outcome.message)
                break
            row = outcome
        rows.append(row)
        maps.append(row.output)
        sights.append(row.sees)
    return Report(network, tuple(rows), problem)


def _row(step: Step, inputs: tuple[Map, ...], sights: list[Sight], picture: Map) -> Row | Problem:
    """The layer's numbers, or what is wrong (the step's number is not known here)."""
    layer, sizes = step.layer, [[map[axis] for map in inputs] for axis in (0, 1)]
    assert layer is not None
    out: list[int] = []
    for axis in (0, 1):
        try:
            out.append(layer.size(axis, sizes[axis]))
            if out[-1] > LARGEST_SIZE:
                raise ShapeError(f"a {AXES[axis]} of more than {LARGEST_SIZE:,} is beyond any machine")
        except ShapeError as error:
            return Problem(0, axis, str(error))
    try:
        output = Map(out[0], out[1], layer.channels(list(inputs)))
        if output.channels > LARGEST_SIZE:
            raise ShapeError(f"more than {LARGEST_SIZE:,} channels are beyond any machine")
    except ShapeError as error:
        return Problem(0, None, str(error))
    return Row(
        step,
        inputs,
        formulas=(layer.formula(0, sizes[0]), layer.formula(1, sizes[1])),
        output=output,
        unread=(layer.unread(0, sizes[0]), layer.unread(1, sizes[1])),
        parameters=layer.parameters(list(inputs)) if step.parameters is None else step.parameters,
        multiply_adds=layer.multiply_adds(list(inputs), output) if step.multiply_adds is None else step.multiply_adds,
        sees=_sees(layer, inputs, sights, picture),
    )


def _sees(layer: Layer, inputs: tuple[Map, ...], sights: list[Sight], picture: Map) -> Sight:
    if isinstance(layer, Source):
        return "nothing"
    seeing = [(map, sight) for map, sight in zip(inputs, sights, strict=True) if sight != "nothing"]
    if sights and not seeing:
        return "nothing"
    if layer.sees_all or any(sight == "all" for _, sight in seeing):
        return "all"
    known = [(map, sight) for map, sight in seeing if isinstance(sight, tuple)]
    if len(known) < len(seeing):
        return None
    try:
        height, width = (
            layer.field(axis, [sight[axis] for _, sight in known], [map[axis] for map, _ in known]) for axis in (0, 1)
        )
    except ValueError:  # the maps' rows lie differently far apart, or see in too long a pattern
        return "all" if any(_covers(sight, map, picture) for map, sight in known) else None
    return height, width


def _covers(sight: tuple[ReceptiveField, ReceptiveField], map: Map, picture: Map) -> bool:
    """Whether each of a map's pixels sees the whole picture, as a mean over it does."""
    ends = [(sight[axis].at(row), picture[axis]) for axis in (0, 1) for row in (0, map[axis] - 1)]
    return all(first <= 0 and last >= size - 1 for (first, last), size in ends)
