"""minisd hires: the ways to larger drawings, side by side."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import POSITIVE, SEED, OutputFile, checking, device_option, judge_option, model_option
from minisd.cli.outputs import new_files
from minisd.cli.pictures import how_drawn

_SHOWN = 8  # drawings on the sheet


@click.command(short_help="Measure the ways to larger drawings.")
@click.option("--size", type=POSITIVE, default=112, show_default=True, help="Pixels a side.")
@click.option("--num", type=POSITIVE, default=1000, show_default=True, help="Drawings, of one digit after the other.")
@model_option
@judge_option
@device_option
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--json", "json_file", type=OutputFile(), help="Write the numbers to this file, too.")
@click.option("--out", type=OutputFile(".png"), help="Draw the first pictures of all ways to this file.")
@click.pass_context
def hires(
    ctx: click.Context,
    size: int,
    num: int,
    model: Path | None,
    judge: Path | None,
    device: str,
    seed: int,
    json_file: Path | None,
    out: Path | None,
) -> None:  # fmt: skip
    """Draw digits larger in three ways, by a second network, by image-to-image and by smoothing, and measure them.

    The judge says whether it sees the same digit when the large picture is reduced to the drawing's size again; the
    edges' width, whether there is more to see than in the drawing; and the ink, whether strokes grew or were lost.
    """
    require_device(device)

    from minisd import checkpoint, plots
    from minisd.evaluation import Judge, hires
    from minisd.pipeline import Pipeline
    from minisd.pipeline.enlarging import check_size

    ctx.with_resource(new_files(json_file, out))
    pipeline, of_digits = Pipeline.load(model), Judge.load(judge)
    with checking("--size"):
        check_size(pipeline, size)
        if size == pipeline.picture_shape[0]:
            raise ValueError(f"{size} is what the model draws by itself; wanted a larger size")
    with checking("--num"):
        pipeline.check_count(num, bytes_each=16 * size**2)
    compile_first(device)
    pipeline.to(device)
    of_digits.classifier.to(device)
    report, pictures = hires.compare(
        pipeline, of_digits, count=num, size=size, seed=seed, say=lambda line: click.echo(line, err=True)
    )
    for line in hires.table(report, size):
        click.echo(line)
    if json_file is not None:
        checkpoint.save_json(json_file, hires.as_json(report, size))
    if out is not None:
        rows = np.concatenate([images[:_SHOWN] for images in pictures.values()])
        about = how_drawn(ctx, model, [], seed=seed)
        plots.save_grid(out, rows, min(num, _SHOWN), names=list(pictures), about=about)
    for path in filter(None, (json_file, out)):
        click.echo(f"wrote {path}")
