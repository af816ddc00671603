"""The roofline: how fast each kernel is, against how much it computes for each byte (Williams et al. 2009).

    attainable GFLOP/s = min(ceiling, bandwidth x intensity)        intensity = operations / bytes of inputs and outputs

Under the slope memory decides, under the flat roof arithmetic does. A kernel whose arrays stay in the caches from one
call to the next can lie above the slope; one that does fewer operations than are counted, above the roof.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from minisd.bench.machine import Machine
from minisd.bench.runner import Row
from minisd.checkpoint import write_atomically

_MARKERS = "osD^vPX*"
_LINE = 0.19  # inches: a line of the key


def save_roofline(path: Path, machine: Machine, rows: Sequence[Row]) -> None:
    """Write roofline()'s picture.

    Raises:
        CheckpointError: the picture cannot be written.
    """
    buffer = io.BytesIO()
    roofline(machine, rows).savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())


def roofline(machine: Machine, rows: Sequence[Row]) -> Figure:
    """Every row that has an intensity, by a number that the key explains; minisd's point filled, PyTorch's best hollow,
    a line between them."""
    shown = [(row, row.flops / row.bytes) for row in rows if row.bytes]
    names = dict.fromkeys(row.group for row, _ in shown)
    groups = {name: [place for place in shown if place[0].group == name] for name in names}
    compared = any(row.ratio is not None for row, _ in shown)
    height = max(5.0, _LINE * (len(shown) + len(groups) + compared) + 1)
    figure = Figure(figsize=(12, height), dpi=110, layout="constrained")
    axes, key = figure.subplots(1, 2, width_ratios=(3, 2))
    key.set_axis_off()
    key.set(xlim=(0, 1), ylim=(height / _LINE, 0))

    line, number = 0.5, 0
    for place, (group, points) in enumerate(groups.items()):
        look = {"color": f"C{place}", "markersize": 7, "marker": _MARKERS[place % len(_MARKERS)]}
        key.plot(0.02, line, **look)
        key.text(0.06, line, group, va="center", color=look["color"], weight="bold", fontsize=9)
        for row, intensity in points:
            line, number = line + 1, number + 1
            key.text(0.06, line, f"{number}  {row.name}, {row.shapes}", va="center", fontsize=9)
            axes.annotate(str(number), (intensity, row.gflops), (5, 3), textcoords="offset points", fontsize=9)
            if row.ratio is not None:
                axes.plot([intensity] * 2, [row.gflops, row.gflops / row.ratio], color=look["color"], linewidth=0.8)
                axes.plot(intensity, row.gflops / row.ratio, fillstyle="none", **look)
            axes.plot(intensity, row.gflops, **look)
        line += 1
    if compared:
        key.text(0.06, line, "hollow: the same in PyTorch", va="center", fontsize=9)

    span = [intensity for _, intensity in shown] + [machine.ceiling / machine.bandwidth]
    x = np.geomspace(min(span) / 2, max(span) * 2, 200)
    axes.plot(x, np.minimum(machine.ceiling, machine.bandwidth * x), color="black", linewidth=1.5)
    axes.annotate(
        f"ceiling: {machine.ceiling:.0f} GFLOP/s",
        (x[-1], machine.ceiling),
        (0, 4),
        textcoords="offset points",
        ha="right",
    )
    axes.annotate(
        f"slope: {machine.bandwidth:.1f} GB/s", (x[0], machine.bandwidth * x[0]), (14, 0), textcoords="offset points"
    )
    axes.set(
        xscale="log", yscale="log", xlabel="operations per byte of inputs and outputs", ylabel="GFLOP/s",
        title=f"{machine.processor}, float32",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(which="both", alpha=0.2)
    return figure
