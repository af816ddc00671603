"""minisd words: what the words of a caption mean, in real digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from minisd.cli.options import POSITIVE, SEED, OutputFile, check_data, data_options
from minisd.cli.outputs import new_files, numbered_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@click.command(short_help="Show real digits that the words of a caption fit.")
@click.argument("about", type=click.Choice(["slant", "thickness"]))
@click.option("--num", type=POSITIVE, default=8, show_default=True, help="Pictures of each digit and word.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Which pictures.")
@data_options("digits")
@click.option(
    "--out", type=OutputFile(".png"), help="The PNG to write. [default: ABOUT.png, or with a number if it is taken]"
)
def words(about: str, num: int, seed: int, data: str, data_dir: Path | None, out: Path | None) -> None:
    """Show what the words of a caption about slant or thickness mean: test digits that each of them fits.

    A row is a digit, a column a word, and within it the pictures are in the order of what was measured. The table says
    how many of the digits each word fits.
    """
    check_data(data, data_dir)

    import numpy as np

    from minisd.data import SLANT_BINS, THICKNESS_BINS, load_digits
    from minisd.plots import save_grid
    from minisd.text.captions import DIGITS, SLANT, THICKNESS

    with new_files(out) if out is not None else numbered_files(about, ".png") as (path,):
        digits = load_digits(data, "test", data_dir)
        if about == "slant":
            names = ["".join(phrases[0]) for phrases in SLANT]
            (low, high), unit, values, fits = SLANT_BINS, "°", digits.slant, digits.slant_bin
        else:
            names = [phrases[0] for phrases in THICKNESS]
            (low, high), unit, values, fits = THICKNESS_BINS, " pixels", digits.thickness, digits.thickness_bin
        ranges = f"below {low:g}{unit}", f"{low:g} to {high:g}{unit}", f"from {high:g}{unit}"
        rng = np.random.default_rng(seed)
        strips = []
        for digit, word in np.ndindex(len(DIGITS), len(names)):
            fitting = np.flatnonzero((digits.labels == digit) & (fits == word))
            chosen = rng.permutation(fitting)[:num]
            strips.append(_strip(digits.images[chosen[np.argsort(values[chosen])]], num))
        headings = [f"{name}: {where}" for name, where in zip(names, ranges, strict=True)]
        save_grid(path, np.stack(strips), len(names), headings=headings, names=DIGITS)
    click.echo(f"of {len(digits):,}  " + "".join(f"{name:>15}" for name in names))
    for row in (*range(len(DIGITS)), None):
        shares = np.bincount(fits if row is None else fits[digits.labels == row], minlength=len(names))
        name = "all" if row is None else DIGITS[row]
        click.echo(f"{name:10}" + "".join(f"{share:15.1%}" for share in shares / max(1, shares.sum())))
    click.echo(f"wrote {path}")


def _strip(images: NDArray[np.uint8], num: int) -> NDArray[np.uint8]:
    """Pictures (n, H, W) side by side, (H, num W); black where there are fewer."""
    import numpy as np

    n, H, W = images.shape
    strip = np.zeros((H, num, W), np.uint8)
    strip[:, :n] = images.swapaxes(0, 1)
    return strip.reshape(H, num * W)
