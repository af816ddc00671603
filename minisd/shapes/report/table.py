"""A report for people, as a table, and for programs, as plain values."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from minisd_kernels.shapes import ReceptiveField

from minisd.shapes.report.layers import AXES, Map
from minisd.shapes.report.nearest import nearest_inputs
from minisd.shapes.report.sums import Report, Row, Sight

_HEAD = ("", "layer", "input -> output", "size by the formula", "unread", "sees", "params", "MACs", "memory")
_FORMULA, _UNREAD, _MEMORY = 3, 4, 8
_LEFT = 4  # so many columns are words, the others numbers
_LONGEST_NAME = 22

_Line = tuple[str, ...]


def render(report: Report, width: int | None = None) -> str:
    """The table, a line or two for each layer, the totals, and what is to be said about them.

    Where it is wider than `width`, formulas stand on lines of their own; then inputs and at last memory are left out.
    """
    blocks = [_block(number, row) for number, row in enumerate(report.rows, start=1)]
    columns = [
        column for column in range(len(_HEAD)) if column != _UNREAD or any(any(row.unread) for row in report.rows)
    ]
    lines = _laid_out(blocks, columns)
    for leave_out in (_FORMULA, 2, _MEMORY):
        if width is None or max(map(len, lines)) <= width:
            break
        if leave_out == 2:
            blocks = [[(*line[:2], line[2].partition("-> ")[2], *line[3:]) for line in block] for block in blocks]
        else:
            columns.remove(leave_out)
        lines = _laid_out(blocks, columns)
    if report.problem:
        step = report.network.steps[report.problem.step]
        place = f"{report.problem.step + 1}  {_short(step.text)}  <- {_place(report)}"
        lines += _wrapped([f"{' ' * (len(str(len(blocks))) - len(str(len(blocks) + 1)))}{place}"], width)
    return "\n".join([*lines, "", *_wrapped([*_totals(report), *_remarks(report)], width)])


def _laid_out(blocks: list[list[_Line]], columns: list[int]) -> list[str]:
    """The cells in columns; formulas that have no column stand under their layer."""
    head = tuple("output" if column == 2 and _outputs_alone(blocks) else _HEAD[column] for column in range(len(_HEAD)))
    table = [head, *(line for block in blocks for line in block[: None if _FORMULA in columns else 1])]
    widths = [max(len(line[column]) for line in table) for column in columns]

    def laid(line: _Line) -> str:
        cells = zip(columns, widths, strict=True)
        return "  ".join(
            line[column].ljust(width) if 0 < column < _LEFT else line[column].rjust(width) for column, width in cells
        ).rstrip()

    out = [laid(head)]
    for block in blocks:
        if _FORMULA in columns:
            out += map(laid, block)
        else:
            out.append(laid(block[0]))
            out += [f"{'':{widths[0]}}    {line[_FORMULA]}" for line in block if line[_FORMULA]]
    return out


def _outputs_alone(blocks: list[list[_Line]]) -> bool:
    return bool(blocks) and not any("->" in line[2] for block in blocks for line in block)


def _wrapped(lines: list[str], width: int | None) -> list[str]:
    """Sentences as lines of at most this width; 572 x 572 x 1 stays in one."""
    if width is None:
        return lines
    kept = [re.sub(r"(?<=\d) x (?=\d)", "\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}", line) for line in lines]
    wrapped = [
        part for line in kept for part in textwrap.wrap(line, max(width, 20), subsequent_indent="  ",
        break_on_hyphens=False, break_long_words=False)
    ]  # fmt: skip
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in wrapped]


def _block(number: int, row: Row) -> list[_Line]:
    """One line, or two where height and width follow different sums."""
    array = row.step.array
    maps = f"-> {f'({_map(array)})' if array else '?' if row.output is None else _map(row.output)}"
    if row.output and row.inputs and not array:
        maps = f"{_map(row.inputs[0])} {maps}"
    costs = _count(row.parameters), _count(row.multiply_adds), _bytes(row.bytes) if row.bytes else ""
    sums = ["", ""]
    if row.output and not array:
        pairs = zip(row.formulas, row.output, strict=False)
        sums = [f"{formula} = {size}" if formula not in ("", str(size)) else "" for formula, size in pairs]
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


def _map(map: Sequence[int]) -> str:
    return "x".join(str(size) for size in map)


def _sees(sight: Sight, axis: int) -> str:
    if sight is None:
        return "?"
    return sight if isinstance(sight, str) else str(sight[axis].size)


def _count(number: int) -> str:
    """A number of parameters or of multiply-adds, where there are any: exact while it is short, then with a unit."""
    return _amount(number) if number else ""


def _amount(number: int) -> str:
    return f"{number:,}" if number < 100_000 else _with_unit(number)


def _bytes(count: int) -> str:
    number = _with_unit(count)
    return f"{number}B" if number[-1].isalpha() else f"{number} B"


def _with_unit(number: int) -> str:
    """
    >>> _with_unit(40), _with_unit(31_030_658), _with_unit(999_999), _with_unit(10**40)
    ('40', '31 M', '1 M', '1e+40')
    """
    left: float = number
    for unit in ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q"):
        if left < 999.5:
            return f"{left:.3g} {unit}".rstrip()
        left /= 1000
    return f"{number:.3g}"


def _totals(report: Report) -> list[str]:
    rows = report.rows
    if report.problem or not rows:
        return []
    parameters, work = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    memory = [row.bytes for row in rows]
    output = f"output {report.output}" if report.output else "output not known"
    if rows[-1].step.array:
        output = f"output {' x '.join(map(str, rows[-1].step.array))}, no picture"
    return [
        f"input {report.network.input}, {output}; {parameters:,} parameters; {_amount(work)} multiply-adds",
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
    message = f"layer {report.problem.step + 1}, {_short(step.text)}: {report.problem.message}{_advice(report)}"
    return "; ".join([message, *_channels_first(report.network.input)])


def _channels_first(picture: Map) -> list[str]:
    """A remark where 3x224x224 probably has its channels in the wrong place."""
    first, second, third = picture
    if first > 4 or min(second, third) < 8 or (first == 2 or (first == 1 and second != third)):
        return []
    rows = f"{first} row{'s' * (first > 1)}"
    return [f"channels come last here: {_map(picture)} is {rows} high; write {second}x{third}x{first} for a picture"]


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
    lines = _channels_first(report.network.input) if not report.problem else []
    dropping = [f"{number} {_short(row.step.text)}" for number, row in enumerate(report.rows, 1) if any(row.unread)]
    if dropping and not report.problem:
        fitting = _sizes(report)
        where = f"nothing is unread at {fitting}" if fitting else "no input of about this size changes that"
        if report.network.one_size:
            where = "give another --size to look at another input"
        named = ", ".join(dropping[:3]) + (f" and {len(dropping) - 3} more" if len(dropping) > 3 else "")
        lines.append(f"rows are left unread by {named}: {where}")
    sized = {row.step for row in report.rows if row.bytes}
    lost = [step for step in report.unknown if step not in sized]
    uncounted = [step for step in report.unknown if step in sized]
    for steps, what in (
        (lost, "not known, and so neither is what depends on it"),
        (uncounted, "work not known, and not counted"),
    ):
        if steps:
            reasons = {_short(step.text) + (f" ({step.unknown})" if step.unknown else "") for step in steps}
            lines.append(f"{what}: {', '.join(sorted(reasons))}")
    if any(row.step.array for row in report.rows):
        lines.append("in brackets: no picture, but pixels in a row, in groups or in windows, or scores of them")
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
        "output_size": list(row.output) if row.output and not row.step.array else None,
        "array": list(row.step.array) if row.step.array else None,
        "unread": list(row.unread),
        "parameters": row.parameters,
        "multiply_adds": row.multiply_adds,
        "bytes": row.bytes,
        "receptive_field": row.sees if isinstance(row.sees, str) else row.sees and [_field(axis) for axis in row.sees],
    }


def _field(field: ReceptiveField) -> dict[str, Any]:
    return {"size": field.size, "stride": field.stride, "centre_of_first": field.centre(0)}
