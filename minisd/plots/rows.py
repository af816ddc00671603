"""Rows of pictures as a figure, for pages that show figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray


def draw_rows(
    rows: Mapping[str, NDArray[Any]], headings: Sequence[str] = (), notes: Mapping[str, Sequence[str]] | None = None
) -> Any:
    """A figure of rows of pictures (N, H, W), 0 black and 255 white, each row behind its name.

    Args:
        headings: stand over the columns.
        notes: a row's name -> a word under each of its pictures.
    """
    from matplotlib.figure import Figure

    notes = notes or {}
    columns, tops, depth = max(map(len, rows.values())), {}, 0.0
    for row in rows:
        tops[row] = depth
        depth += 1.32 if row in notes else 1.06
    inch, left, top = 0.78, 0.15 + 0.08 * max(map(len, rows)), 0.35 if headings else 0.08  # inches: a picture, margins
    width, height = left + inch * columns + 0.05, top + inch * depth + 0.02
    figure = Figure(figsize=(width, height), dpi=110)
    panel = figure.add_axes((left / width, 0.02 / height, inch * columns / width, inch * depth / height))
    for row, pictures in rows.items():
        for column, picture in enumerate(pictures):
            extent = (column, column + 0.94, tops[row] + 0.94, tops[row])
            panel.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest")
        for column, note in enumerate(notes.get(row, ())):
            panel.text(column + 0.47, tops[row] + 0.98, note, ha="center", va="top", fontsize=10)
    panel.set(xlim=(0, columns), ylim=(depth, 0), aspect="auto")
    panel.set_yticks([top + 0.47 for top in tops.values()], list(rows), fontsize=10)
    panel.xaxis.tick_top()
    panel.set_xticks([column + 0.47 for column in range(len(headings))], list(headings), fontsize=10)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    return figure
