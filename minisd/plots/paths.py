"""The paths of points in the plane that a sampler leads from noise to data, one panel a sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from minisd.autograd import Array
from minisd.plots.png import save_figure

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


def save_paths(
    path: Path | str,
    title: str,
    density: Callable[[Array], Array],
    exact: Array,
    panels: Mapping[str, tuple[str, Array]],
    reach: float = 2.45,
) -> None:
    """Draw the data as a cloud, the exact paths in grey, and over them each sampler's with a dot for every level.

    Args:
        density: of the data, at points (N, 2).
        exact: (levels, B, 2); as many paths are drawn as there are colours.
        panels: a panel's title -> what stands under it, and the paths (levels, B, 2).
        reach: how far the panels reach from the origin.

    Raises:
        CheckpointError: the picture cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = 5 if len(panels) > 4 else len(panels)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.6 * columns, 1.0 + 2.95 * rows), dpi=110, layout="constrained")
    places = np.linspace(-reach, reach, 150)
    grid = np.stack(np.meshgrid(places, places), axis=-1)
    heights = density(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    shades = heights.max() * np.array([0.02, 0.12, 0.4, 0.75, 1.01])
    squares = figure.subplots(rows, columns, squeeze=False)
    for square in squares.flat[len(panels) :]:
        square.set_axis_off()
    for square, (name, (note, paths)) in zip(squares.flat, panels.items(), strict=False):
        square.contourf(places, places, heights, levels=shades, cmap="YlOrBr", vmax=1.6 * heights.max())
        for i, colour in enumerate(COLOURS[: exact.shape[1]]):
            square.plot(*exact[:, i].T, color="0.72", linewidth=4.5, solid_capstyle="round")
            square.plot(*paths[:, i].T, color=colour, linewidth=1.4, marker="o", markersize=3.2)
            square.plot(*paths[-1, i], color=colour, marker="o", markersize=7, markeredgecolor="white")
        square.set(xticks=[], yticks=[], aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
        square.set_title(name, fontsize=13, fontweight="bold")
        square.set_xlabel(note, fontsize=10.5)
    figure.suptitle(title, fontsize=14)
    legend = [
        Line2D([], [], color="0.72", linewidth=4.5, label="exact path"),
        Line2D([], [], color="tab:blue", marker="o", markersize=3.2, linewidth=1.4, label="its steps"),
        Line2D(
            [], [], color="tab:blue", marker="o", markersize=7, linewidth=0, markeredgecolor="white", label="its end"
        ),
        Line2D([], [], color="#fec44f", marker="o", markersize=11, linewidth=0, label="data"),
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False, fontsize=12)
    save_figure(path, figure)
