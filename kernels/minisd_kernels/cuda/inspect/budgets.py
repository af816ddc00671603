"""What each kernel may take, for the compile gate: the figures that were last looked at and found good.

They lie in budgets.json: file, kernel, architecture, then registers, bytes of shared memory, spilled, of stack.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minisd_kernels.cuda.inspect import nvrtc
from minisd_kernels.cuda.inspect.occupancy import rounded_up
from minisd_kernels.cuda.inspect.report import Figures

FILE = Path(__file__).with_name("budgets.json")
WHAT_TO_DO = "If `minisd kernels report` shows what you mean it to, record it: `minisd kernels report --record`."
_TAKEN = ("registers", "bytes of shared memory", "bytes spilled", "bytes of stack")
_GIVEN_OUT = 8  # registers: a thread gets a multiple of as many
_UNSTEADY = 2  # registers more or fewer that the assembler finds for the same text, once in a thousand kernels

Row = tuple[int, int, int, int]


@dataclass(frozen=True)
class Budgets:
    """What kernels may take.

    Attributes:
        nvrtc: the version of the compiler that they were recorded with. Others give out registers differently, so what
            they make is not held against these figures.
        kernels: by file, kernel and architecture: registers, and bytes of shared memory, spilled, of stack.
    """

    nvrtc: str
    kernels: dict[tuple[str, str, int], Row]

    def reason_to_skip(self) -> str | None:
        """Why this machine's compiler is not held to them; None if it is."""
        version = nvrtc.version()
        return None if version == self.nvrtc else f"budgets were recorded with NVRTC {self.nvrtc}, this is {version}"

    def complaint(self, figures: Figures) -> str:
        """What the kernel takes above its budget, with what to do; empty if it keeps to it.

        Registers are compared as a GPU gives them out. Memory that stands for them (spilled, stack) must have been
        recorded.
        """
        where = f"{figures.file}: {figures.instance} on sm_{figures.arch}"
        budget = self.kernels.get((figures.file, figures.instance, figures.arch))
        compared = _TAKEN if budget else _TAKEN[2:]
        registers, *others = budget or (0, 0, 0, 0)
        limits = rounded_up(registers + _UNSTEADY, _GIVEN_OUT), *others
        over = [
            f"{taken} {what}, {limit} allowed"
            for taken, what, limit in zip(_row(figures), _TAKEN, limits, strict=True)
            if taken > limit and what in compared
        ]
        if budget is None:
            over.append("it has no budget yet")
        return f"{where}: {'; '.join(over)}. {WHAT_TO_DO}" if over else ""


def load() -> Budgets:
    """The recorded budgets; none if there is no file."""
    if not FILE.is_file():
        return Budgets("", {})
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    return Budgets(
        recorded["nvrtc"],
        {
            (file, instance, int(arch)): tuple(row)
            for file, instances in recorded["kernels"].items()
            for instance, rows in instances.items()
            for arch, row in rows.items()
        },
    )


def record(all_figures: Iterable[Figures]) -> None:
    """Write these figures as the budgets, a line for each kernel."""
    files: dict[str, dict[str, dict[int, Row]]] = {}
    for figures in all_figures:
        files.setdefault(figures.file, {}).setdefault(figures.instance, {})[figures.arch] = _row(figures)
    blocks = [
        f"    {json.dumps(file)}: {{\n"
        + ",\n".join(f"      {json.dumps(instance)}: {json.dumps(rows)}" for instance, rows in instances.items())
        + "\n    }"
        for file, instances in files.items()
    ]
    text = f'{{\n  "nvrtc": {json.dumps(nvrtc.version())},\n  "kernels": {{\n' + ",\n".join(blocks) + "\n  }\n}\n"
    FILE.write_text(text, encoding="utf-8")


def _row(figures: Figures) -> Row:
    return figures.registers, figures.all_shared, figures.spilled, figures.stack
