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


def save_roofline(path: Path, machine: Machine, rows: Sequence[Row]) -> None:
    """Draw every row that has an intensity; minisd's point filled, PyTorch's best hollow, a line between them.

    Raises:
        CheckpointError: the picture cannot be written.
    """
    figure = Figure(figsize=(11, 6), dpi=110, layout="constrained")
    axes = figure.subplots()
    shown = [(row, row.flops / row.bytes) for row in rows if row.bytes]
    groups = list(dict.fromkeys(row.group for row, _ in shown))
    for row, intensity in shown:
        place = groups.index(row.group)
        colour, marker = f"C{place}", _MARKERS[place % len(_MARKERS)]
        speeds = [row.gflops]
        if row.ratio is not None:
            speeds.append(row.gflops / row.ratio)
            axes.plot(intensity, speeds[1], marker, color=colour, fillstyle="none", markersize=7)
            axes.plot([intensity] * 2, speeds, color=colour, linewidth=0.8)
        axes.plot(intensity, speeds[0], marker, color=colour, markersize=7)
    for place, group in enumerate(groups):
        axes.plot([], [], _MARKERS[place % len(_MARKERS)], color=f"C{place}", label=group)
    if any(row.ratio is not None for row, _ in shown):
        axes.plot([], [], "o", color="grey", fillstyle="none", label="the same in PyTorch")
    ridge = machine.ceiling / machine.bandwidth
    span = [intensity for _, intensity in shown] + [ridge]
    x = np.geomspace(min(span) / 2, max(span) * 2, 200)
    roof = np.minimum(machine.ceiling, machine.bandwidth * x)
    label = f"ceiling {machine.ceiling:.0f} GFLOP/s, copy {machine.bandwidth:.1f} GB/s"
    axes.plot(x, roof, color="black", linewidth=1.5, label=label)
    axes.set(
        xscale="log", yscale="log", xlabel="operations per byte of inputs and outputs", ylabel="GFLOP/s",
        title=f"{machine.processor}, float32",
    )  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(which="both", alpha=0.2)
    figure.legend(loc="outside right upper", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomically(path, buffer.getvalue())
