"""Watch the kernels that the emulator runs: find their races, or count what they ask of memory.

>>> with watching(counting=True) as watch:
...     pass
>>> watch.lines
[]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Line:
    """What one access in the source asked of memory, over all its executions.

    Attributes:
        requests: executions by a warp.
        lanes: threads that took part.
        moved: of global memory the 32-byte sectors touched, of shared memory the rounds in which its banks could serve.
        best: how few would do for so many bytes.
    """

    kernel: str
    place: str
    shared: bool
    writes: bool
    size: int
    requests: int
    lanes: int
    moved: int
    best: int


@dataclass
class Watch:
    """What to look for, and what was counted."""

    races: bool
    counting: bool
    reversed: bool
    lines: list[Line] = field(default_factory=list)

    def add(self, kernel: str, counts: str, place_of: Callable[[int], str]) -> None:
        """Take what a launch has counted: a line of numbers for each instruction."""
        for text in counts.splitlines():
            pc, *numbers = text.split()
            shared, writes, size, requests, lanes, moved, best = map(int, numbers)
            place = place_of(int(pc, 16))
            self.lines.append(Line(kernel, place, bool(shared), bool(writes), size, requests, lanes, moved, best))


_watch: Watch | None = None


def current_watch() -> Watch | None:
    return _watch


@contextmanager
def watching(*, races: bool = True, counting: bool = False, reversed: bool = False) -> Iterator[Watch]:
    """Watch every kernel that the block runs on the emulator.

    Accesses out of bounds are always found. The watched program is some hundred times slower: take small shapes.

    Args:
        races: look for threads that touch the same memory with nothing that orders them.
        counting: count sectors of global memory and rounds of shared memory, by line.
        reversed: run blocks and threads in reverse order. A result that changes depends on an order that CUDA leaves
            open.
    """
    global _watch
    before, _watch = _watch, Watch(races, counting, reversed)
    try:
        yield _watch
    finally:
        _watch = before
