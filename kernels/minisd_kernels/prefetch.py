"""Asking for memory before it is needed.

What lies in no cache takes the processor hundreds of cycles to read, and a kernel that comes to its arrays one after
the other waits for each in turn. It can name all the lines it will touch at once: they arrive while it works.

For Numba kernels only.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from minisd_kernels.compiling import jit
from minisd_kernels.vectors import LANES, is_float32_array, place


def _prefetch(typing_context: Any, array: Any, start: Any) -> Any:
    """Bring the line of memory of array[start] to the cache; harmless outside the array."""
    if not is_float32_array(array):
        return None

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, number = place(context, builder, signature.args[0], *args), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch.p0", (), kind)
        to_read, to_second_cache, data = (ir.Constant(number, n) for n in (0, 2, 1))
        builder.call(fetch, [pointer, to_read, to_second_cache, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


_line: Any = intrinsic(_prefetch)


@jit
def prefetch_rows(x: Any, start: Any, step: Any, count: Any, width: Any) -> None:
    """Ask for `count` rows of `width` numbers, `step` apart."""
    for i in range(count):
        for j in range(0, width + LANES - 1, LANES):  # a row that begins in the middle of a line ends in one more
            _line(x, start + i * step + j)
