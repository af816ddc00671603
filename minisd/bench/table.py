"""The figures as text, row by row, and as JSON; no line is longer than 80, a small terminal's width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from minisd_kernels.switches import tensor_cores

from minisd.bench.machine import Machine
from minisd.bench.runner import Row, mean_ratios

INSTALL = 'pip install "minisd[bench]"'
_WIDTHS = (11, 12, 26, 7, 9, 11)
_HEAD = ("minisd ms", "PyTorch ms", "its best way", "ratio", "GFLOP/s", "of ceiling")


def opening(machine: Machine) -> Iterator[str]:
    """What was used, and how to read the rows."""
    for sentence in _sentences(machine):
        yield from textwrap.wrap(sentence, 80)


def _sentences(machine: Machine) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    yield f"{machine.processor}; {versions}; backend {machine.backend}, {_numbers(machine)}"
    load = "" if machine.load is None else f"; load before the start {machine.load:.1f}"
    yield (
        f"ceiling {machine.ceiling:.0f} GFLOP/s (matrix product by {machine.ceiling_by}), "
        f"copy {machine.bandwidth:.1f} GB/s{load}"
    )
    if (machine.load or 0) > 0.5:
        yield "Other processes are at work: figures are too long, and ratios uncertain. Run this on an idle machine."
    if "torch" in machine.versions:
        yield "ratio = PyTorch's time / minisd's: above 1 minisd is faster. Outputs and gradients were compared first."
    else:
        here = "" if machine.gpu is None else " for this GPU"
        yield f"PyTorch is not installed{here}, so nothing is compared: {INSTALL}"


def heading() -> str:
    return _line(_HEAD)


def line(row: Row, machine: Machine) -> str:
    """One row: what was computed, and below it the figures.

    >>> row = Row("max-pool", "pooling", "1 x 2 x 2 x 1", 4, 20, {"minisd": 2.0, "eager": 3.0}, {}, 9, 0.0)
    >>> line(row, Machine("", 1, {}, "numba", 1.0, "NumPy", 1.0, None)).split()[-4:]
    ['eager', '1.50', '0.00', '0%']
    """
    best = row.best_of_theirs
    return f"{row.name}, {row.shapes}\n" + _line(
        (
            _ms(row.ours),
            "-" if best is None else _ms(row.ms[best]),
            best or "-",
            "-" if row.ratio is None else f"{row.ratio:.2f}",
            f"{row.gflops:.3g}" if row.gflops >= 0.01 else "0.00",
            f"{row.gflops / machine.ceiling:.0%}",
        )
    )


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """The geometric mean of every group's ratios."""
    means = mean_ratios(rows)
    for group, mean in means.items():
        count = sum(row.group == group for row in rows)
        yield f"{group:<40}{mean:6.2f}   geometric mean of {count} ratio{'s' if count > 1 else ''}"


def as_json(machine: Machine, rows: Sequence[Row]) -> dict[str, Any]:
    """Everything measured; every way of PyTorch's, not only its best."""
    return {
        "machine": asdict(machine),
        "rows": [asdict(row) | {"ratio": row.ratio, "gflops": row.gflops} for row in rows],
        "geometric_mean_of_ratios": mean_ratios(rows),
    }


def _numbers(machine: Machine) -> str:
    """What is computed with."""
    return "float32, products in TF32" if machine.gpu is not None and tensor_cores else "float32"


def _ms(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _line(cells: Sequence[str]) -> str:
    parts = [
        f"  {cell:<{width - 2}}" if place == 2 else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    return "".join(parts).rstrip()
