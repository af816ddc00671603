"""What the addresses in a compiled program are called in the source: its shared variables, and its lines."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from pathlib import Path

from minisd_kernels.emulator.program import run

_SYMBOL = re.compile(r"(?P<address>[0-9a-f]+) (?P<size>[0-9a-f]+) (?P<kind>\w) (?P<name>.*)")
_RUNTIMES = ("emulator::", "std::", "guard variable", "vtable", "typeinfo", "__", "DW.ref", "_")
_BUILT_IN = ("threadIdx", "blockIdx", "blockDim", "gridDim")


@cache
def variables(library: ctypes.CDLL) -> tuple[tuple[str, int, int, bool], ...]:
    """Name, address and size of the kernels' shared variables, and of what else they may read; whether it is shared."""
    symbols = []
    for line in run("nm", "-S", "-C", "--defined-only", library._name).splitlines():
        if (match := _SYMBOL.match(line)) is not None:
            symbols.append((match["name"], match["kind"], int(match["address"], 16), int(match["size"], 16)))
    base = _base(library)
    return tuple(
        (name.rpartition("::")[2], base + address, size, kind in "bBdDuVv" and "::" in name)
        for name, kind, address, size in symbols
        if not name.startswith(_RUNTIMES) and (kind in "rR" or "::" in name or name in _BUILT_IN)
        if kind not in "tTwWiI"
    )


@cache
def line_of(library: ctypes.CDLL, address: int) -> str:
    """The line of the .cu file that an address of the program was made from; of a header if there is no other."""
    said = run("addr2line", "-i", "-e", library._name, f"{address - _base(library) - 1:x}").splitlines()
    places = [Path(place.split(" ")[0]).name for place in said]
    return next((place for end in (".cu:", ".cuh:") for place in places if end in place), places[0])


@cache
def _base(library: ctypes.CDLL) -> int:
    """Where in memory the program was loaded."""
    lines = run("nm", "--defined-only", library._name).splitlines()
    offset = next(int(line.split()[0], 16) for line in lines if line.endswith(" emulator_launch"))
    return (ctypes.cast(library.emulator_launch, ctypes.c_void_p).value or 0) - offset


def with_lines(message: str, library: ctypes.CDLL) -> str:
    """The message with the addresses that it holds replaced by lines of the .cu file, which goes without its folder."""
    message = re.sub(r"@([0-9a-f]+)@", lambda found: line_of(library, int(found[1], 16)), message)
    return re.sub(r"[^\s]*/([\w.]+\.cuh?:)", r"\1", message)
