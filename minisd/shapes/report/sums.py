"""A network's sizes, layer by layer: the sums done, and the place where they stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from minisd_kernels.shapes import ReceptiveField, ShapeError

from minisd.shapes.report.layers import AXES, Map, Stated
from minisd.shapes.report.network import Network, Step

LARGEST_SIZE = 10**9

Sight = tuple[ReceptiveField, ReceptiveField] | Literal["all"] | None
"""What a map's pixels see of the input: by height and by width; all of it; or not known."""


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
        return 4 * self.output.values if self.output else 0


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
        return tuple(row.step for row in self.rows if row.step.layer is None or isinstance(row.step.layer, Stated))


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
        row = Row(step, inputs, parameters=step.parameters or 0)
        if step.layer is not None and len(inputs) == len(step.inputs):
            outcome = _row(step, inputs, [sights[i] for i in step.inputs])
            if isinstance(outcome, Problem):
                problem = Problem(number, outcome.axis, outcome.message)
                break
            row = outcome
        rows.append(row)
        maps.append(row.output)
        sights.append(row.sees)
    return Report(network, tuple(rows), problem)


def _row(step: Step, inputs: tuple[Map, ...], sights: list[Sight]) -> Row | Problem:
    """The layer's numbers, or what is wrong (the step's number is not known here)."""
    layer, sizes = step.layer, [list(axis) for axis in zip(*(map[:2] for map in inputs), strict=True)]
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
        multiply_adds=layer.multiply_adds(list(inputs), output),
        sees=_sees(step, sights, sizes),
    )


def _sees(step: Step, sights: list[Sight], sizes: list[list[int]]) -> Sight:
    layer = step.layer
    assert layer is not None
    if layer.sees_all or "all" in sights:
        return "all"
    known = [sight for sight in sights if sight is not None and sight != "all"]
    if len(known) < len(sights):
        return None
    try:
        height, width = (layer.field(axis, [sight[axis] for sight in known], sizes[axis]) for axis in (0, 1))
    except ValueError:  # the maps' rows lie differently far apart, or see in too long a pattern
        return None
    return height, width
