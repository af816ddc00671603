"""How kernels of elementwise.cuh are launched: a thread takes four elements."""

from __future__ import annotations

from minisd_kernels.cuda.source import blocks

_THREADS = 256  # of a block


def four_a_thread(size: int) -> tuple[int, int]:
    """The grid, and the threads of a block, that take `size` elements.

    >>> four_a_thread(1024), four_a_thread(1025)
    ((1, 256), (2, 256))
    """
    return blocks(size, 4 * _THREADS), _THREADS
