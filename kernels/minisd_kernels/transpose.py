"""Transposing a matrix, LANES x LANES numbers at a time.

Number by number, one side of the copy jumps through memory. Here LANES rows are read as vectors, their numbers change
places inside the registers, and LANES rows of the transposed matrix are written as vectors.

For Numba kernels only.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minisd_kernels.compiling import jit
from minisd_kernels.vectors import LANES, load_each, store_each, vector_type


def _exchange_rows_and_lanes(typing_context: Any, vectors: Any) -> Any:
    """A tuple of LANES vectors, transposed."""
    if not isinstance(vectors, types.UniTuple) or (vectors.dtype, vectors.count) != (vector_type, LANES):
        return None

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = [builder.extract_value(args[0], i) for i in range(LANES)]
        # Split into quarters, a matrix is transposed by exchanging the two off the diagonal and transposing each. Here
        # all quarters of one size are done in one go: of rows i and i + half, the lanes `half` apart change places.
        half = LANES // 2
        while half:
            upper = [lane if not lane & half else lane - half + LANES for lane in range(LANES)]
            lower = [lane + half if not lane & half else lane + LANES for lane in range(LANES)]
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes) for lanes in (upper, lower)]
            for i in range(LANES):
                if not i & half:
                    pair = rows[i], rows[i + half]
                    rows[i], rows[i + half] = (builder.shuffle_vector(*pair, mask) for mask in masks)
            half //= 2
        return context.make_tuple(builder, vectors, rows)

    return vectors(vectors), code


_transposed: Any = intrinsic(_exchange_rows_and_lanes)


@jit
def transpose(a: Any, a_start: Any, a_row: Any, rows: Any, columns: Any, b: Any, b_start: Any, b_row: Any) -> None:
    """b[b_start + j b_row + i] = a[a_start + i a_row + j] for i < rows, j < columns."""
    whole_rows, whole_columns = rows // LANES * LANES, columns // LANES * LANES
    for i in range(0, whole_rows, LANES):
        for j in range(0, whole_columns, LANES):
            block = load_each(a, a_start + i * a_row + j, a_row, LANES)
            store_each(b, b_start + j * b_row + i, b_row, _transposed(block))
    for i in range(rows):
        for j in range(whole_columns if i < whole_rows else 0, columns):
            b[b_start + j * b_row + i] = a[a_start + i * a_row + j]
