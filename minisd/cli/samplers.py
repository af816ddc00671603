"""minisd samplers: all ways from noise to a picture, side by side where one sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from minisd.cli.options import OutputFile, SpacingName
from minisd.cli.outputs import new_files, numbered_files

if TYPE_CHECKING:
    from minisd.diffusion.comparison import Row


@click.command(short_help="Compare all samplers on points in the plane, as a picture and a table.")
@click.option("--steps", type=click.IntRange(1, 100), default=6, show_default=True, help="Steps of the picture.")
@click.option("--spacing", type=SpacingName(), default="trailing", show_default=True, help="Which times they visit.")
@click.option(
    "--out", type=OutputFile(".png"), help="The PNG to write. [default: samplers.png, or with a number if it is taken]"
)
def samplers(steps: int, spacing: str, out: Path | None) -> None:
    """Lead points in the plane from noise to data by every sampler there is.

    The data are three round clouds, for which the best model is known, so that nothing but the sampler is to blame.
    Each panel shows six paths, and the exact ones behind them in grey. The table says how far points end from where
    infinitely many steps would lead them: the median of 400, for steps that double.
    """
    from minisd.diffusion.comparison import compare
    from minisd.diffusion.schedule import CLEAN
    from minisd.diffusion.toy import CLOUDS
    from minisd.plots import save_paths

    counts = [steps * 2**k for k in range(4)]
    with new_files(out) if out is not None else numbered_files("samplers", ".png") as (path,):
        walks, exact, rows = compare(counts, spacing)
        notes = {row.sampler: f"{row.calls} calls, {_remark(row)}" for row in rows}
        save_paths(
            path,
            f"From noise to data in {steps} steps",
            lambda points: CLOUDS.density(points, CLEAN),
            exact.paths,
            {name: (notes[name], walk.paths) for name, walk in walks.items()},
        )
    for line in _table(rows, counts):
        click.echo(line)
    click.echo(f"wrote {path}")


def _remark(row: Row) -> str:
    if row.same_as is not None:
        return f"as {row.same_as}"
    return "random" if row.off is None else f"off by {row.off[0]:.3f}"


def _table(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[str]:
    """Lines of at most 80 characters."""
    wide = 8 * len(counts)
    yield f"{'':15} calls  {f'off by, in {counts[0]} steps':<{wide}}   order  width"
    yield f"{'':23}" + "".join(f"{n:8}" for n in counts).replace(f"{counts[0]:8}", " " * 8, 1)
    for row in rows:
        off = f"{'random paths have no exact end':>{wide}}"
        if row.off is not None:
            off = "".join(f"{value:8.4f}" for value in row.off)
        order = "" if row.order is None else f"{row.order:.2f}"
        yield f"{row.sampler:15}{row.calls:6}  {off}{order:>8}{row.width:7.2f}" + (
            f"  = {row.same_as}" if row.same_as else ""
        )
    yield ""
    yield "order: what power of the step's length the error falls with, of the last two."
    yield "The last step of all, to no noise, is of first order in every method."
    yield "width: of the ends about the middle of their cloud; 1 is right."
