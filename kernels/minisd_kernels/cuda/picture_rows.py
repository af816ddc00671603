"""How a kernel whose blocks each work in one row of a picture is launched."""

from __future__ import annotations

from minisd_kernels.cuda.source import blocks


def row_blocks(rows: int, width: int) -> tuple[tuple[int, int], int]:
    """The grid and the threads of a block, for `width` threads in each of all pictures' rows.

    blockIdx.x is the row, for only the grid's first number may pass 65535.

    >>> row_blocks(28, 40), row_blocks(28, 600)
    (((28, 1), 64), ((28, 3), 256))
    """
    threads = min(256, 32 * blocks(width, 32))
    return (rows if width else 0, blocks(width, max(1, threads))), max(32, threads)
