"""Sums of the rows that blocks left behind, in an order that never changes."""

from __future__ import annotations

from typing import Any

from minisd_kernels.cuda.source import Source, blocks, c_type, empty, of_each_type

COLUMN_SUMS = Source(__file__, "column_sums.cu", of_each_type("column_sums"))
_COLUMNS, _LANES = 8, 32  # as in the .cu


def column_sums(parts: Any) -> Any:
    """The sum over the rows of every matrix.

    Shapes: parts (matrices, rows, columns), contiguous -> (matrices, columns).
    """
    matrices, rows, columns = parts.shape
    sums = empty((matrices, columns), parts)
    grid = matrices * blocks(columns, _COLUMNS)
    COLUMN_SUMS.launch(f"column_sums<{c_type(parts)}>", grid, _COLUMNS * _LANES, parts, sums, rows, columns)
    return sums
