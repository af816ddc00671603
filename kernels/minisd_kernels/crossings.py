"""What crosses between host and device is counted: each array is a transfer over the bus, and a wait.

>>> with counted_crossings() as crossed:
...     note_to_device(24)
>>> crossed
Crossings(to_device=1, to_host=0, bytes=24)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Crossings:
    """How many arrays crossed, and how many bytes they had."""

    to_device: int = 0
    to_host: int = 0
    bytes: int = 0


_counts: list[Crossings] = []


@contextmanager
def counted_crossings() -> Iterator[Crossings]:
    """Count what crosses while the block runs."""
    count = Crossings()
    _counts.append(count)
    try:
        yield count
    finally:
        _counts.remove(count)


def note_to_device(size: int) -> None:
    """An array of `size` bytes went to a device."""
    for count in _counts:
        count.to_device += 1
        count.bytes += size


def note_to_host(size: int) -> None:
    """An array of `size` bytes came to the host."""
    for count in _counts:
        count.to_host += 1
        count.bytes += size
