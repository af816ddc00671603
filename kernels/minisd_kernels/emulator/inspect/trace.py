"""What a kernel asks of memory, counted by the emulator: why one version is faster than another, without a GPU.

Of global memory a warp's 32 accesses are served in sectors of 32 bytes. When neighbouring threads read neighbouring
numbers, 4 sectors serve 32 floats; when each thread reads far from the next, 32 do. Shared memory has 32 banks, 4
bytes wide: words of different banks come in one round, words of one bank one round after another. (CUDA C++ Best
Practices Guide, on coalesced access and on shared memory.) Where a kernel multiplies with wmma, CUDA leaves open which
lane holds what of a matrix: the emulator's choice is its own, and so are the banks that such lanes meet in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minisd_kernels.emulator.inspect.watching import Line, watching
from minisd_kernels.examples import Example, Make, examples, least_bytes

_SECTOR = 32  # bytes
_ROOM = (9, 10, 10, 9, 10, 11, 8)  # for the table's columns


@dataclass(frozen=True)
class Traced:
    """What the kernels of one call asked for.

    Attributes:
        needed: bytes that must be read or written at least once.
        products: multiply-adds that the equation has; 0 where they are not what matters.
    """

    name: str
    needed: int
    products: int
    lines: list[Line]

    def moved(self, *, writes: bool) -> int:
        """Bytes of global memory, in whole sectors."""
        return _SECTOR * sum(line.moved for line in self.lines if not line.shared and line.writes is writes)

    def of_use(self, *, shared: bool) -> float | None:
        """What would have done, as a part of what was asked for: of the sectors, or of the rounds of shared memory."""
        lines = [line for line in self.lines if line.shared is shared]
        return sum(line.best for line in lines) / sum(line.moved for line in lines) if lines else None

    @property
    def rounds(self) -> int:
        """Rounds of shared memory."""
        return sum(line.moved for line in self.lines if line.shared)


def to_trace(operation: str) -> list[Example]:
    """The operation's ladder, or its examples where it has none."""
    return examples(operation, ladder=True) or examples(operation)


def trace(example: Example) -> Iterator[Traced]:
    """Run each call of the example on the emulated device, and count."""
    for name, call in example.calls(Make("emu")).items():
        with watching(races=False, counting=True) as watch:
            needed = least_bytes(call)
        yield Traced(name, needed, example.products, watch.lines)


def table(traced: Sequence[Traced]) -> Iterator[str]:
    """A line a call, under two of headings."""
    width = max(12, *(len(each.name) + 2 for each in traced))
    titles = ("read", "written", "needed", "sectors", "products", "rounds of", "banks")
    units = ("kB", "kB", "kB", "of use", "a byte", "shared", "of use")
    for first, others in (("", titles), ("step", units)):
        yield f"{first:<{width}}" + "".join(f"{text:>{room}}" for text, room in zip(others, _ROOM, strict=True))
    for each in traced:
        read, written = each.moved(writes=False), each.moved(writes=True)
        yield (
            f"{each.name:<{width}}{read / 1e3:>9.0f}{written / 1e3:>10.0f}{each.needed / 1e3:>10.0f}"
            f"{_percent(each.of_use(shared=False)):>9}"
            f"{f'{each.products / (read + written):.1f}' if each.products else '':>10}"
            f"{each.rounds or '':>11}{_percent(each.of_use(shared=True)):>8}"
        ).rstrip()


def worst_lines(traced: Traced, count: int) -> Iterator[str]:
    """The lines of the source that asked for most, with what they say."""
    moved: dict[tuple[str, bool, bool], int] = {}
    best = dict(moved)
    for line in traced.lines:
        key = line.place, line.shared, line.writes
        moved[key] = moved.get(key, 0) + line.moved
        best[key] = best.get(key, 0) + line.best
    for key in sorted(moved, key=lambda key: -moved[key])[:count]:
        place, shared, writes = key
        what = f"{'shared' if shared else 'global'} {'written' if writes else 'read'}"
        amount = f"{moved[key]} {'rounds' if shared else 'sectors'}"
        yield f"  {place:<30}{what:<16}{amount:>15}{_percent(best[key] / moved[key]):>7}   {_source_line(place)}"


def _percent(part: float | None) -> str:
    return "" if part is None else f"{100 * part:.0f} %"


def _source_line(place: str) -> str:
    name, _, number = place.rpartition(":")
    files = (path for path in Path(__file__).parents[2].rglob(name) if path.suffix in (".cu", ".cuh"))
    return next((path.read_text(encoding="utf-8").splitlines()[int(number) - 1].strip() for path in files), "")
