"""minisd eval --neighbours: drawings beside the training pictures nearest to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from minisd.cli.pictures import counted, say_beside_bar

if TYPE_CHECKING:
    from minisd.autograd import Array
    from minisd.evaluation.digits import Drawings
    from minisd.pipeline import Pipeline


def show_neighbours(
    pipeline: Pipeline, compared: Drawings, train: Array, picture: Path, json_file: Path | None, **drawing: Any
) -> None:
    """Measure, print, and draw the sheet."""
    from minisd import checkpoint, plots
    from minisd.evaluation import neighbours

    with counted(3 * len(train), "comparing") as done:
        report, drawn = neighbours.look_for_copies(pipeline, compared, train, say_beside_bar, done, **drawing)
    click.echo("\n".join(neighbours.lines(report)))
    images, captions = neighbours.sheet(report, drawn, train)
    headings, names = ["drawn", "nearest", "second", "third", "fourth", "fifth"], [row.prompt for row in report.shown]
    plots.save_grid(picture, images, len(headings), headings=headings, names=names, captions=captions)
    if json_file is not None:
        checkpoint.save_json(json_file, report.as_json())
