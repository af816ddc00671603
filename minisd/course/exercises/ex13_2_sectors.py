"""Coalescing: the sectors of a warp

The threads of a warp ask memory together. It answers in sectors, pieces of 32 bytes that begin at multiples of 32.
Count how many sectors the warp touches when thread t reads `size` bytes from the address `addresses[t]` on. A sector
that several threads touch is counted once. A read may reach over the end of a sector; then it touches two or more.

A negative address stands for a thread that does not take part.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "Which sector does byte number 100 lie in? And which do bytes 100 to 107?",
    "The sectors of a read are those from address // 32 to (address + size - 1) // 32. Put all into a set.",
    "Byte b lies in sector b // 32. Put the sectors from first to last byte into one set.",
)


def sectors(addresses, size):
    """How many sectors of 32 bytes are touched, a whole number; addresses is an array of whole numbers."""
    touched: set[int] = set()
    for address in addresses[addresses >= 0].tolist():
        touched.update(range(address // 32, (address + size - 1) // 32 + 1))
    return len(touched)


def cases(rng, dtype):
    threads = np.arange(32)
    yield 4 * threads, 4
    yield 4 * threads + 12, 4
    yield 128 * threads, 4
    yield 32 * threads + 28, 8
    yield np.where(threads % 2, 16 * threads, -1), 16
    yield np.full(32, 96), 4
    yield np.where(threads < 4, 200 * threads + 28, -1), 40
    yield np.where(threads < 5, 8 * threads + 32, -1), 8
    yield 4 * rng.integers(0, 400, 32), 4
    yield 16 * rng.integers(0, 100, 32) + 24, 16
    yield np.where(rng.random(32) < 0.5, 20 * rng.integers(0, 60, 32), -1), 40


def mistake_every_thread(addresses, size):
    """A sector that several threads touch is fetched once: you count it for each of them."""
    return sum(sectors(np.array([address]), size) for address in addresses)


def mistake_first_byte(addresses, size):
    """A read may reach into the next sector: look at its last byte, too."""
    return sectors(addresses, 1)


def mistake_only_first_and_last(addresses, size):
    """A read of more than 33 bytes has sectors between its first and its last one."""
    taking = addresses[addresses >= 0]
    return len({*(taking // 32).tolist(), *((taking + size - 1) // 32).tolist()})


def mistake_one_byte_too_many(addresses, size):
    """The last byte of a read is address + size - 1: the one behind it is not asked for."""
    return sectors(addresses, size + 1)


def mistake_all_take_part(addresses, size):
    """Threads with a negative address do not take part."""
    touched: set[int] = set()
    for address in addresses.tolist():
        touched.update(range(address // 32, (address + size - 1) // 32 + 1))
    return len(touched)


def mistake_by_bytes(addresses, size):
    """How many bytes are read says little: what counts is which sectors they lie in."""
    return -(-int((addresses >= 0).sum()) * size // 32)


def mistake_span(addresses, size):
    """Sectors between two reads that nobody asks for are not fetched: count those that are touched."""
    taking = addresses[addresses >= 0]
    return int((taking.max() + size - 1) // 32 - taking.min() // 32 + 1)


def mistake_lines_of_128(addresses, size):
    """A sector has 32 bytes: you count lines of 128."""
    touched: set[int] = set()
    for address in addresses[addresses >= 0].tolist():
        touched.update(range(address // 128, (address + size - 1) // 128 + 1))
    return len(touched)


def right_bytes(addresses, size):
    every = addresses[addresses >= 0][:, None] + np.arange(size)
    return len(np.unique(every // 32))


def right_marks(where, size):
    marks = np.zeros(where.max() // 32 + 3, bool)
    for start in where:
        if start >= 0:
            marks[start // 32 : (start + size - 1) // 32 + 1] = True
    return int(marks.sum())
