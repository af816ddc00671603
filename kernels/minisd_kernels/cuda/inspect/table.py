"""The report as text: a row for each kernel, a column of registers for each architecture; no line is longer than 80."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from minisd_kernels.cuda import toolkit
from minisd_kernels.cuda.inspect import nvrtc, sass
from minisd_kernels.cuda.inspect.report import THREADS, Figures

_WIDTH = 80
_LEGEND = {
    "75, 80 ...": "registers of a thread on sm_75, sm_80 ...; - where the kernel does not run",
    "shared": "bytes of shared memory of a block; + where each launch adds as much as it needs",
    "spilled": "bytes that a thread stores and loads for want of registers",
    "stack": "bytes of memory for a thread's numbers that are not in registers",
    "occupancy": "% of a multiprocessor's warps, with blocks as large as the launch bounds allow, else of "
    f"{THREADS}; lower where the launch adds shared memory",
}
_INSTRUCTIONS = {
    "behind names": "instructions: HMMA tensor cores; LDGSTS asynchronous copies; .128 four floats at once (LDG, STG "
    "global memory; LDS, STS shared); SHFL shuffles between lanes; all on the newest of the architectures",
}


def lines(all_figures: Sequence[Figures]) -> Iterator[str]:
    """What the table means, then the table."""
    architectures = sorted({figures.arch for figures in all_figures})
    yield f"NVRTC {nvrtc.version()}, with the options that CuPy gives it"
    disassembled = toolkit.disassembler() is not None
    for column, meaning in (_LEGEND | (_INSTRUCTIONS if disassembled else {})).items():
        yield from textwrap.wrap(f"{column:<16}{meaning}", _WIDTH, subsequent_indent=" " * 16, drop_whitespace=True)
    if not disassembled:
        yield from textwrap.wrap(sass.MISSING, _WIDTH)
    for file, of_file in groupby(all_figures, key=lambda figures: figures.file):
        yield ""
        yield file
        yield _line(map(str, architectures), "shared", "spilled", "stack", "occupancy")
        kernels: dict[str, dict[int, Figures]] = {}
        for figures in of_file:
            kernels.setdefault(figures.instance, {})[figures.arch] = figures
        for instance, on in kernels.items():
            every, newest = list(on.values()), on[max(on)]
            name = f"  {instance}: {', '.join(newest.instructions)}" if newest.instructions else f"  {instance}"
            yield from textwrap.wrap(name, _WIDTH, subsequent_indent=" " * 6)
            yield _line(
                (str(on[arch].registers) if arch in on else "-" for arch in architectures),
                _range(figures.all_shared for figures in every) + ("+" if newest.dynamic is None else ""),
                _range(figures.spilled for figures in every),
                _range(figures.stack for figures in every),
                _range(round(100 * figures.occupancy) for figures in every),
            )


def as_json(all_figures: Sequence[Figures]) -> dict[str, Any]:
    """Every figure of every kernel on every architecture."""
    return {
        "nvrtc": nvrtc.version(),
        "kernels": [asdict(figures) | {"occupancy": figures.occupancy} for figures in all_figures],
    }


def _line(registers: Iterable[str], shared: str, spilled: str, stack: str, occupancy: str) -> str:
    cells = "".join(f"{cell:>5}" for cell in registers)
    return f"   {cells}{shared:>12}{spilled:>9}{stack:>7}{occupancy:>11}"


def _range(numbers: Iterable[int]) -> str:
    """The least and the largest.

    >>> _range([12, 14, 13]), _range([12, 12])
    ('12-14', '12')
    """
    least, *_, largest = sorted([*numbers] * 2)
    return f"{least}" if least == largest else f"{least}-{largest}"
