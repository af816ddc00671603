"""minisd animate: how a window operation works, as moving pictures."""

from __future__ import annotations

from pathlib import Path

import click

from minisd.cli.options import OutputFile, Size
from minisd.cli.outputs import new_files, numbered_files
from minisd.shapes.animation.operation import KINDS, WindowOperation


@click.command(short_help="Show a window walking over its input, as a GIF.")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--input", "size", type=Size(), default=5, show_default=True, help="The input: 7, or 5x7.")
@click.option("--window", type=Size(), help="The window. [default: 3; a pooling's 2]")
@click.option("--stride", type=Size(), help="The stride. [default: 1; a pooling's the window's size]")
@click.option("--padding", type=Size(min=0), default=0, show_default=True, help="The padding on every side.")
@click.option("--dilation", type=Size(), default=1, show_default=True, help="The dilation; a pooling has none.")
@click.option(
    "--output-padding", type=Size(min=0), default=0, show_default=True, help="Of a transposed convolution alone."
)
@click.option(
    "--out", type=OutputFile(".gif"), help="The GIF to write. [default: KIND.gif, or with a number if that is taken]"
)
def animate(
    kind: str,
    size: tuple[int, int],
    window: tuple[int, int] | None,
    stride: tuple[int, int] | None,
    padding: tuple[int, int],
    dilation: tuple[int, int],
    output_padding: tuple[int, int],
    out: Path | None,
) -> None:  # fmt: skip
    """Show a convolution, a pooling or a transposed convolution at work.

    The window walks over the input and the output fills in, with numbers that can be checked by hand. Writes a GIF and
    a PNG with some of its frames. Sizes are numbers, or pairs of height and width, such as 5x7.
    """
    from minisd.shapes.animation import Film, save_gif, save_strip

    window = window or ((2, 2) if kind == "pool" else (3, 3))
    operation = WindowOperation(kind, size, window, stride, padding, dilation, output_padding)
    names = numbered_files(kind, ".gif", "-frames.png")
    if out is not None:
        names = new_files(out, out.with_name(f"{out.stem}-frames.png"))
    with names as (gif, strip):
        film = Film(operation)
        save_gif(gif, film)
        save_strip(strip, film)
    for line in (operation.title, operation.formula, *operation.formulas, f"wrote {gif}", f"wrote {strip}"):
        click.echo(line)
