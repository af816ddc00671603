"""The register tile: the innermost loop of every fast CPU kernel.

    C[i, j] += sum_k A[i, k] B[k, j]        for ROWS x COLUMNS outputs at a time

A plain triple loop loads two numbers for every multiply-add. The tile keeps ROWS x COLUMNS sums of C in the
processor's vector registers while k runs: each step loads COLUMNS numbers of B once, and every number of A once,
broadcast over a vector. No compiler finds this from loops, so the loop over k is written here in LLVM's own terms:
explicit vectors, one fused multiply-add each. Convolution, linear layers and attention are loops around it.

Every output is one chain of multiply-adds in the order of k, whatever tile it falls into: a sample's result does not
depend on the batch that it is computed in, nor on the number of threads.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minisd_kernels.compiling import jit

# The tile must fit the registers: 32 of 16 floats with AVX-512, 16 of 8 with AVX2, 32 of 4 on 64-bit ARM. A tile
# that is too large spills to memory and loses half of the speed.
_features = llvm.get_host_cpu_features()
if _features.get("avx512f"):
    LANES, ROWS, VECTORS = 16, 14, 2
elif _features.get("avx2"):
    LANES, ROWS, VECTORS = 8, 6, 2
else:
    LANES, ROWS, VECTORS = 4, 8, 3
COLUMNS = LANES * VECTORS
HALF_ROWS = ROWS // 2


def _tile_type_error(*arrays: Any) -> bool:
    return any(not isinstance(array, types.Array) or array.dtype != types.float32 for array in arrays)


def _tile(typingctx, rows, a, a_start, a_row, a_step, b, b_start, b_step, c, c_start, c_row, depth):
    """C[i, j] += sum_k A[i, k] B[k, j] for `rows` (a literal) x COLUMNS float32 outputs, kept in registers.

    A[i, k] is a[a_start + i a_row + k a_step], B[k, j] is b[b_start + k b_step + j], and C[i, j] is
    c[c_start + i c_row + j].
    """
    if not isinstance(rows, types.IntegerLiteral) or _tile_type_error(a, b, c):
        return None
    row_count = rows.literal_value
    index = types.intp
    signature = types.void(rows, a, index, index, index, b, index, index, c, index, index, index)

    def codegen(context, builder, sig, args):
        _, a_val, a_start, a_row, a_step, b_val, b_start, b_step, c_val, c_start, c_row, depth = args
        scalar = ir.FloatType()
        vector = ir.VectorType(scalar, LANES)
        size = depth.type
        zero, one = ir.Constant(size, 0), ir.Constant(size, 1)

        def data(array_type, value):
            return context.make_array(array_type)(context, builder, value).data

        a_data, b_data, c_data = data(sig.args[1], a_val), data(sig.args[5], b_val), data(sig.args[8], c_val)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32"
        )

        def vector_at(base, offset):
            return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

        # Load the sums.
        c_places = []
        for i in range(row_count):
            row_start = builder.add(c_start, builder.mul(c_row, ir.Constant(size, i)))
            for v in range(VECTORS):
                c_places.append(vector_at(c_data, builder.add(row_start, ir.Constant(size, v * LANES))))
        first_sums = [builder.load(place, align=4) for place in c_places]

        # for k in range(depth): a rank-1 update of all sums.
        before = builder.block
        loop, after = builder.append_basic_block("tile.loop"), builder.append_basic_block("tile.end")
        builder.cbranch(builder.icmp_signed(">", depth, zero), loop, after)
        builder.position_at_end(loop)
        k = builder.phi(size)
        k.add_incoming(zero, before)
        sums = []
        for start in first_sums:
            phi = builder.phi(vector)
            phi.add_incoming(start, before)
            sums.append(phi)
        b_row = builder.add(b_start, builder.mul(k, b_step))
        b_vectors = [
            builder.load(vector_at(b_data, builder.add(b_row, ir.Constant(size, v * LANES))), align=4)
            for v in range(VECTORS)
        ]
        a_column = builder.add(a_start, builder.mul(k, a_step))
        undefined, lane_zero = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        new_sums = []
        for i in range(row_count):
            place = builder.add(a_column, builder.mul(a_row, ir.Constant(size, i)))
            number = builder.load(builder.gep(a_data, [place]), align=4)
            single = builder.insert_element(undefined, number, lane_zero)
            broadcast = builder.shuffle_vector(single, undefined, everywhere)
            for v in range(VECTORS):
                new_sums.append(builder.call(fma, [broadcast, b_vectors[v], sums[i * VECTORS + v]]))
        k_next = builder.add(k, one)
        k.add_incoming(k_next, builder.block)
        for phi, new in zip(sums, new_sums, strict=True):
            phi.add_incoming(new, builder.block)
        builder.cbranch(builder.icmp_signed("<", k_next, depth), loop, after)

        # Store the sums.
        builder.position_at_end(after)
        finals = []
        for start, new in zip(first_sums, new_sums, strict=True):
            final = builder.phi(vector)
            final.add_incoming(start, before)
            final.add_incoming(new, loop)
            finals.append(final)
        for place, final in zip(c_places, finals, strict=True):
            builder.store(final, place, align=4)
        return context.get_dummy_value()

    return signature, codegen


tile: Any = intrinsic(prefer_literal=True)(_tile)


# Signatures are given here: a caller's literal numbers would each compile a version of their own.
_FLOATS, _INT = types.float32[::1], types.int64


@jit(types.void(_FLOATS, _INT, _FLOATS, _INT, _INT))
def copy(source, source_start, target, target_start, count):
    """target[...] = source[...]; through views, whose index cannot be negative, it becomes a vector copy."""
    read, write = source[source_start : source_start + count], target[target_start : target_start + count]
    for i in range(count):
        write[i] = read[i]


@jit(types.void(_FLOATS, _INT, _INT, _INT, _FLOATS))
def add_rows(rows, start, count, width, sums):
    """sums[j] += the sum over `count` rows of `width` numbers: what a bias gets of a gradient."""
    for i in range(count):
        row = rows[start + i * width : start + (i + 1) * width]
        for j in range(width):
            sums[j] += row[j]


@jit(types.void(_FLOATS, *[_INT] * 5, _FLOATS))
def pack(b, b_start, b_row, b_column, depth, columns, packed):
    """Copy B (depth x columns) to panels of COLUMNS columns, the last filled up with zeros.

    B[k, j] is b[b_start + k b_row + j b_column]; it goes to packed[((j // COLUMNS) depth + k) COLUMNS + j % COLUMNS].
    """
    for panel in range((columns + COLUMNS - 1) // COLUMNS):
        width = min(COLUMNS, columns - panel * COLUMNS)
        for k in range(depth):
            source = b_start + k * b_row + panel * COLUMNS * b_column
            target = (panel * depth + k) * COLUMNS
            if b_column == 1:
                copy(b, source, packed, target, width)
            else:
                for j in range(width):
                    packed[target + j] = b[source + j * b_column]
            for j in range(width, COLUMNS):
                packed[target + j] = 0.0


def packed_size(depth: int, columns: int) -> int:
    """Numbers in a packed (depth x columns) matrix.

    >>> packed_size(9, COLUMNS) == packed_size(9, 1) == 9 * COLUMNS
    True
    """
    return depth * ((columns + COLUMNS - 1) // COLUMNS) * COLUMNS


@jit(types.void(_FLOATS, *[_INT] * 4, _FLOATS, _INT, _INT, _FLOATS, _INT, _INT))
def multiply_add(a, a_start, a_row, a_step, rows, packed, depth, columns, c, c_start, c_row):
    """C += A B for A (rows x depth), B (depth x columns) packed, C (rows x columns): tiles over rows and panels."""
    scratch = np.empty(ROWS * COLUMNS, np.float32)
    for panel in range((columns + COLUMNS - 1) // COLUMNS):
        width = min(COLUMNS, columns - panel * COLUMNS)
        panel_start = panel * depth * COLUMNS
        row = 0
        while row < rows:
            a_tile = a_start + row * a_row
            c_tile = c_start + row * c_row + panel * COLUMNS
            left = rows - row
            height = ROWS if left >= ROWS else (HALF_ROWS if left >= HALF_ROWS else 1)
            if width < COLUMNS:  # the tile would write past the edge of C: let it write to scratch
                for i in range(height):
                    for j in range(COLUMNS):
                        scratch[i * COLUMNS + j] = c[c_tile + i * c_row + j] if j < width else 0.0
                if height == ROWS:
                    tile(ROWS, a, a_tile, a_row, a_step, packed, panel_start, COLUMNS, scratch, 0, COLUMNS, depth)
                elif height == HALF_ROWS:
                    tile(HALF_ROWS, a, a_tile, a_row, a_step, packed, panel_start, COLUMNS, scratch, 0, COLUMNS, depth)
                else:
                    tile(1, a, a_tile, a_row, a_step, packed, panel_start, COLUMNS, scratch, 0, COLUMNS, depth)
                for i in range(height):
                    for j in range(width):
                        c[c_tile + i * c_row + j] = scratch[i * COLUMNS + j]
            elif height == ROWS:
                tile(ROWS, a, a_tile, a_row, a_step, packed, panel_start, COLUMNS, c, c_tile, c_row, depth)
            elif height == HALF_ROWS:
                tile(HALF_ROWS, a, a_tile, a_row, a_step, packed, panel_start, COLUMNS, c, c_tile, c_row, depth)
            else:
                tile(1, a, a_tile, a_row, a_step, packed, panel_start, COLUMNS, c, c_tile, c_row, depth)
            row += height
