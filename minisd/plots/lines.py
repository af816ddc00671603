"""Lines over an axis whose strides double, each with its name at its end: measures of several ways at growing cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minisd.plots.curves import plain_log_axis
from minisd.plots.png import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = 96  # of lines and letters, and of their soft edges
_LETTERS = 10.5  # points


@dataclass(frozen=True)
class Panel:
    """What one panel shows.

    Attributes:
        lines: a line's name -> its points (x, y), x above 0.
        level: the y to compare with, drawn dashed.
        log: y is logarithmic, if all that is shown is above 0.
    """

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    level: float
    log: bool = False


def save_lines(
    path: Path | str, panels: Sequence[Panel], columns: int, xlabel: str, ticks: Sequence[float], level: str
) -> None:
    """Draw panels, `columns` in a row; those of one column share their y, and all share their x.

    A name has the same colour in every panel.

    Args:
        ticks: the x that are named.
        level: what the panels' levels are called.

    Raises:
        CheckpointError: the picture cannot be written.
    """
    save_figure(path, lines(panels, columns, xlabel, ticks, level), _COLOURS)


def lines(panels: Sequence[Panel], columns: int, xlabel: str, ticks: Sequence[float], level: str) -> Figure:
    """The figure of ``save_lines``."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(0.4 + 5.4 * columns, 0.5 + 3.5 * rows), dpi=110, layout="constrained")
    all_panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey="col")
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    labels: list[list[Any]] = []
    for axes, panel in zip(all_panels.flat, panels, strict=True):
        axes.axhline(panel.level, color="0.35", linestyle="--", linewidth=1.2)
        last = max(x for points in panel.lines.values() for x, _ in points)
        texts = [_label(axes, level, (last, panel.level), "0.35")]
        for name, points in panel.lines.items():
            i = names.index(name)
            x, y = zip(*sorted(points), strict=True)
            axes.plot(x, y, color=f"C{i % 10}", marker="osD^vPX"[i % 7], markersize=5, linewidth=1.8)
            texts.append(_label(axes, name, (x[-1], y[-1]), f"C{i % 10}"))
        axes.set_title(panel.title, fontsize=11.5, loc="left")
        axes.grid(alpha=0.25)
        if panel.log and min(panel.level, *(y for points in panel.lines.values() for _, y in points)) > 0:
            plain_log_axis(axes)
        labels.append(texts)
    for axes in all_panels[-1]:
        axes.set_xscale("log", base=2)
        axes.set_xlabel(xlabel, fontsize=11)
        axes.set_xticks(list(ticks), [f"{x:g}" for x in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    figure.draw_without_rendering()  # where things are is known now
    for texts in labels:
        _keep_apart(texts)
    return figure


def _label(axes: Any, text: str, end: tuple[float, float], colour: str) -> Any:
    """A name to the right of the panel, and a stroke that leads to it from the line's end."""
    line = {"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 3}
    return axes.annotate(
        text, end, (1.03, 0), textcoords=("axes fraction", "offset points"), color=colour, fontsize=_LETTERS,
        va="center", arrowprops=line, annotation_clip=False,
    )  # fmt: skip


def _keep_apart(texts: Sequence[Any]) -> None:
    """Move labels up and down until none covers another, in the order of their lines' ends."""
    dpi = texts[0].figure.dpi
    ends = [text.axes.transData.transform(text.xy)[1] * 72 / dpi for text in texts]
    for text, end, place in zip(texts, ends, spread(ends, 1.25 * _LETTERS), strict=True):
        text.xyann = (1.03, place - end)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The places nearest to the given ones, by least squares, that keep their order and a gap.

    With the gaps taken off, that is the nearest sequence that never falls: neighbours that are out of order share
    their mean (pool adjacent violators; Ayer et al. 1955).

    >>> spread([5.0, 0.0, 5.5], gap=2.0)
    [4.25, 0.0, 6.25]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    pools: list[list[float]] = []  # each one's members, that share their mean
    for rank, i in enumerate(order):
        pools.append([places[i] - gap * rank])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    levels = [float(np.mean(pool)) for pool in pools for _ in pool]
    found = dict(zip(order, (level + gap * rank for rank, level in enumerate(levels)), strict=True))
    return [found[i] for i in range(len(places))]
