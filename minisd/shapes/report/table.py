"""A report for people, as a table, and for programs, as plain values."""

from __future__ import annotations

import dataclasses
from typing import Any

from minisd_kernels.shapes import ReceptiveField

from minisd.shapes.report.layers import AXES, Map
from minisd.shapes.report.nearest import nearest_inputs
from minisd.shapes.report.sums import Report, Row, Sight

_HEAD = (
    "",
    "layer",
    "input -> output",
    "size by the formula",
    "unread",
    "sees",
    "params",
    "MACs",
    "memory",
)
_LEFT = 4  # so many columns are words, the others numbers
_LONGEST_NAME = 22


def render(report: Report) -> str:
    """The table, a line or two for each layer, the totals, and what is to be said about them."""
    lines: list[tuple[str, ...]] = [_HEAD]
    for number, row in enumerate(report.rows, start=1):
        lines += _lines(number, row)
    if report.problem:
        step = report.network.steps[report.problem.step]
        lines.append((str(report.problem.step + 1), _short(step.text), "<- " + _place(report), *[""] * 6))
    # The mark of a problem may be longer than its column: it is the last line, and nothing stands behind it.
    measured = lines[:-1] if report.problem else lines
    widths = [max(len(line[column]) for line in measured) for column in range(len(_HEAD))]
    table = [
        "  ".join(
            cell.ljust(width) if column < _LEFT and column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*table, "", *_totals(report), *_remarks(report)])


def _lines(number: int, row: Row) -> list[tuple[str, ...]]:
    """One line, or two where height and width follow different sums."""
    maps = "-> ?" if row.output is None else f"{_map(row.inputs[0])} -> {_map(row.output)}"
    costs = _count(row.parameters), _count(row.multiply_adds), _bytes(row.bytes) if row.output else ""
    sums = ["", ""]
    if row.output:
        sums = [
            f"{formula} = {size}" if formula else "" for formula, size in zip(row.formulas, row.output, strict=False)
        ]
    unread = [str(rows) if rows else "" for rows in row.unread]
    sees = [_sees(row.sees, axis) for axis in (0, 1)]
    both = list(zip(sums, unread, sees, strict=True))
    first = (str(number), _short(row.step.text), maps, *both[0], *costs)
    if both[0] == both[1]:
        return [first]
    first = (*first[:3], "H: " + sums[0] if sums[0] else "", *first[4:])
    return [first, ("", "", "", "W: " + sums[1] if sums[1] else "", *both[1][1:], "", "", "")]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."


def _map(map: Map) -> str:
    return "x".join(str(size) for size in map)


def _sees(sight: Sight, axis: int) -> str:
    if sight is None:
        return "?"
    return "all" if sight == "all" else str(sight[axis].size)


def _count(number: int) -> str:
    """A number of parameters or of multiply-adds: exact while it is short, then three digits and a unit."""
    if number < 100_000:
        return f"{number:,}" if number else ""
    return _with_unit(number)


def _bytes(count: int) -> str:
    number = _with_unit(count)
    return f"{number}B" if number[-1].isalpha() else f"{number} B"


def _with_unit(number: float) -> str:
    """
    >>> _with_unit(40), _with_unit(31_030_658), _with_unit(999_999)
    ('40', '31 M', '1 M')
    """
    units = iter(" kMGTPEZY")
    unit = next(units)
    while number >= 999.5:
        number, unit = number / 1000, next(units)
    return f"{number:.3g} {unit}".rstrip()


def _totals(report: Report) -> list[str]:
    rows = report.rows
    if report.problem or not rows:
        return []
    parameters, work = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    memory = [row.bytes for row in rows]
    output = f"output {report.output}" if report.output else "output not known"
    return [
        f"input {report.network.input}, {output}; {parameters:,} parameters; {_count(work)} multiply-adds",
        f"memory in float32 for one picture: all maps {_bytes(sum(memory))}, the largest {_bytes(max(memory))}",
    ]


def _place(report: Report) -> str:
    assert report.problem is not None
    axis = report.problem.axis
    return f"here the {'channels' if axis is None else AXES[axis]} part: {report.problem.message}"


def problem_text(report: Report) -> str:
    """Where the sizes part and which inputs would do, in one sentence or two."""
    assert report.problem is not None
    step = report.network.steps[report.problem.step]
    return f"layer {report.problem.step + 1}, {_short(step.text)}: {report.problem.message}{_advice(report)}"


def _advice(report: Report) -> str:
    assert report.problem is not None
    if report.problem.axis is None:
        return ""
    if report.network.one_size:
        return ""
    nearest = _sizes(report)
    return f"; nearest inputs that work: {nearest}" if nearest else "; no input of about this size works"


def _sizes(report: Report) -> str:
    """The nearest heights and widths as whole inputs: 252 x 252 or 268 x 268."""
    near = nearest_inputs(report)
    height, width = report.network.input[:2]
    if height == width and near[0] == near[1]:
        pairs = [(size, size) for size in near[0]]
    elif near[0] and near[1]:
        return f"heights {' or '.join(map(str, near[0]))}, widths {' or '.join(map(str, near[1]))}"
    else:
        pairs = [(size, width) for size in near[0]] + [(height, size) for size in near[1]]
    return " or ".join(f"{height} x {width}" for height, width in pairs)


def _remarks(report: Report) -> list[str]:
    lines = []
    dropping = [f"{number} {_short(row.step.text)}" for number, row in enumerate(report.rows, 1) if any(row.unread)]
    if dropping and not report.problem:
        fitting = _sizes(report)
        where = f"nothing is unread at {fitting}" if fitting else "no input of about this size changes that"
        if report.network.one_size:
            where = "give another --size to look at another input"
        named = ", ".join(dropping[:3]) + (f" and {len(dropping) - 3} more" if len(dropping) > 3 else "")
        lines.append(f"rows are left unread by {named}: {where}")
    if report.unknown:
        names = sorted({step.text for step in report.unknown})
        lines.append(f"not known, and so neither is what depends on it: {', '.join(names)}")
    return lines


def as_json(report: Report) -> dict[str, Any]:
    """Every number of the report as plain values; sizes are [height, width] or [height, width, channels]."""
    problem = None
    if report.problem:
        problem = dataclasses.asdict(report.problem) | {
            "step": report.problem.step + 1,
            "axis": None if report.problem.axis is None else AXES[report.problem.axis],
        }
    return {
        "input": list(report.network.input),
        "output": list(report.output) if report.output and not report.problem else None,
        "parameters": sum(row.parameters for row in report.rows),
        "multiply_adds": sum(row.multiply_adds for row in report.rows),
        "bytes": sum(row.bytes for row in report.rows),
        "layers": [_row_as_json(number, row) for number, row in enumerate(report.rows, start=1)],
        "problem": problem,
        "nearest_inputs": [list(sizes) for sizes in nearest_inputs(report)],
    }


def _row_as_json(number: int, row: Row) -> dict[str, Any]:
    return {
        "number": number,
        "layer": row.step.text,
        "inputs": list(row.step.inputs),
        "input_sizes": [list(map) for map in row.inputs],
        "formulas": list(row.formulas),
        "output_size": list(row.output) if row.output else None,
        "unread": list(row.unread),
        "parameters": row.parameters,
        "multiply_adds": row.multiply_adds,
        "bytes": row.bytes,
        "receptive_field": row.sees if isinstance(row.sees, str) else row.sees and [_field(axis) for axis in row.sees],
    }


def _field(field: ReceptiveField) -> dict[str, Any]:
    return {"size": field.size, "stride": field.stride, "centre_of_first": field.centre(0)}
