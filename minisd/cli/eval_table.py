"""minisd eval --table: samplers and models at the same number of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from minisd.cli.options import stoppable
from minisd.cli.pictures import counted, say_beside_bar

if TYPE_CHECKING:
    from minisd.evaluation.digits import Drawings
    from minisd.evaluation.table import Asked, Table
    from minisd.pipeline import Pipeline


def show_table(
    ctx: click.Context,
    models: Mapping[str, Pipeline],
    asked: Sequence[Asked],
    compared: Drawings,
    json_file: Path | None,
    plot: Path | None,
    **drawing: Any,
) -> None:
    """Measure and print, and write as it goes: whoever stops has what was measured until then."""
    from minisd import checkpoint
    from minisd.evaluation import table as tables

    table = tables.Table(compared.real, [])
    try:
        with (
            stoppable(ctx, lambda: f"{len(table.cells)} of {len(asked)} numbers are measured"),
            counted(tables.total_steps(asked, len(compared.chosen)), "drawing") as done,
        ):

            def step() -> None:
                done(1)

            for cell in tables.measure(models, asked, compared, step, **drawing):
                table.cells.append(cell)
                part = cell.drawings
                say_beside_bar(
                    f"{cell.model}: {cell.sampler} at {cell.calls}: accuracy {part.accuracy:.3f}, "
                    f"Fréchet {part.frechet:.2f}, recall {part.recall:.3f}, {1000 * cell.seconds:.1f} ms"
                )
                if json_file is not None:
                    checkpoint.save_json(json_file, table.as_json())
    finally:
        if table.cells:
            click.echo("\n".join(tables.lines(table)))
            if plot is not None:
                _plot(plot, table)


def _plot(path: Path, table: Table) -> None:
    """A row of panels for each model, so that lines of one panel are those of one model."""
    from minisd import plots
    from minisd.evaluation import table as tables

    panels = []
    for model in dict.fromkeys(cell.model for cell in table.cells):
        cells = [cell for cell in table.cells if cell.model == model]
        samplers = dict.fromkeys(cell.sampler for cell in cells)
        for name, title, scale, log in (
            ("accuracy", "accuracy, %", 100, False),
            ("frechet", "Fréchet distance", 1, True),
        ):
            lines = {
                sampler: [
                    (float(cell.calls), scale * getattr(cell.drawings, name))
                    for cell in cells
                    if cell.sampler == sampler
                ]
                for sampler in samplers
            }
            real = scale * getattr(table.real, name)
            panels.append(plots.Panel(f"{tables.shortened(model, 48)}\n{title}", lines, real, log))
    columns = sorted({cell.evaluations for cell in table.cells})
    plots.save_lines(path, panels, 2, "evaluations of the network", columns, "real digits")
