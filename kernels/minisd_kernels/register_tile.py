"""The register tile: the innermost loop of every fast CPU kernel.

    C[i, j] = init[i, j] + sum_k A[i, k] B[k, j]        for a few rows of A and COLUMNS columns of B at a time

A plain triple loop loads two numbers for every multiply-add. The tile keeps ROWS x COLUMNS sums of C in the
processor's vector registers while k runs: each step loads COLUMNS numbers of B once, and every number of A once,
broadcast over a vector. No compiler finds this from loops, so the loop over k is written here in LLVM's own terms:
explicit vectors, one fused multiply-add each. Convolution, linear layers and attention are loops around it.

Every output is one chain of multiply-adds in the order of k, whatever tile it falls into: a sample's result does not
depend on the batch that it is computed in, nor on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minisd_kernels.compiling import jit
from minisd_kernels.transpose import transpose
from minisd_kernels.vectors import (
    LANES,
    broadcast,
    first_lanes,
    is_float32_array,
    llvm_vector,
    load_some,
    masked_load,
    masked_store,
    place,
    splat,
    store,
)

# The tile must fit the registers: 32 of 16 floats with AVX-512, 16 of 8 with AVX2, 32 of 4 on 64-bit ARM. A tile
# that is too large spills to memory and loses half of the speed. The rows left over go through the smaller heights.
VECTORS = {16: 2, 8: 2, 4: 3}[LANES]
ROWS, _R2, _R3, _R4 = {16: (14, 7, 4, 2), 8: (6, 4, 3, 2), 4: (8, 4, 3, 2)}[LANES]  # and single rows
COLUMNS = LANES * VECTORS


class Matrix(NamedTuple):
    """A matrix that lies in a flat array: its number (i, j) is data[start + i row + j column]."""

    data: Any
    start: int
    row: int
    column: int


def _tile(typing_context, rows, a, taps, packed, init, c, at, sizes):
    """C = init + A B for `rows` (a literal) x COLUMNS float32 outputs, kept in registers; the first `columns` count.

    The tile begins at = (row, panel), sizes = (depth, columns). k runs over taps, and within each over `depth` steps:
    A[i, (t, k)] is number (row + i, k) of the matrix a, taps[t] farther on, and B[(t, k), j] is
    packed[((panel len(taps) + t) depth + k) COLUMNS + j]. Columns of init and C lie side by side. (Matrices of a tile
    alone would be easier to read, but each new one counts references: a tenth of a shallow product's time.)
    """
    if not isinstance(rows, types.IntegerLiteral) or not all(is_float32_array(matrix[0]) for matrix in (a, init, c)):
        return None
    row_count = rows.literal_value
    signature = types.void(rows, a, taps, packed, init, c, at, sizes)

    def code(context, builder, sig, args, vectors):
        _, a, taps, packed, init, c, at, sizes = args
        a_array, a_start, a_row, a_step = cgutils.unpack_tuple(builder, a, 4)
        first_row, panel = cgutils.unpack_tuple(builder, at, 2)
        depth, columns = cgutils.unpack_tuple(builder, sizes, 2)
        a_start = builder.add(a_start, builder.mul(first_row, a_row))
        size = depth.type
        zero, one = ir.Constant(size, 0), ir.Constant(size, 1)
        tap_array = context.make_array(sig.args[2])(context, builder, taps)
        tap_count = builder.extract_value(tap_array.shape, 0)
        a_data = context.make_array(sig.args[1][0])(context, builder, a_array).data
        kind = ir.FunctionType(llvm_vector, [llvm_vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")

        def number(value):
            return ir.Constant(size, value)

        def places(matrix_type, matrix):
            array, start, row, _ = cgutils.unpack_tuple(builder, matrix, 4)
            start = builder.add(start, builder.add(builder.mul(first_row, row), builder.mul(panel, number(COLUMNS))))
            row_starts = [builder.add(start, builder.mul(row, number(i))) for i in range(row_count)]
            return [
                place(context, builder, matrix_type[0], array, builder.add(row_start, number(v * LANES)))
                for row_start in row_starts
                for v in range(vectors)
            ]

        full = builder.icmp_signed(">=", columns, number(vectors * LANES))
        masks = [first_lanes(builder, builder.sub(columns, number(v * LANES))) for v in range(vectors)] * row_count

        # The sums begin as init.
        sources = places(sig.args[4], init)
        with builder.if_else(full) as (whole, cut):
            with whole:
                loaded = [builder.load(source, align=4) for source in sources]
                whole_block = builder.block
            with cut:
                cut_loaded = [masked_load(builder, source, mask) for source, mask in zip(sources, masks, strict=True)]
                cut_block = builder.block
        first_sums = []
        for value, cut_value in zip(loaded, cut_loaded, strict=True):
            phi = builder.phi(llvm_vector)
            phi.add_incoming(value, whole_block)
            phi.add_incoming(cut_value, cut_block)
            first_sums.append(phi)

        # for t in range(len(taps)): for k in range(depth): a rank-1 update of all sums.
        before = builder.block
        tap_loop, step_loop = builder.append_basic_block("tile.tap"), builder.append_basic_block("tile.step")
        tap_end, after = builder.append_basic_block("tile.tap_end"), builder.append_basic_block("tile.end")
        any_work = builder.and_(builder.icmp_signed(">", tap_count, zero), builder.icmp_signed(">", depth, zero))
        builder.cbranch(any_work, tap_loop, after)

        def carried(start_values, start_block):
            phis = [builder.phi(llvm_vector) for _ in start_values]
            for phi, value in zip(phis, start_values, strict=True):
                phi.add_incoming(value, start_block)
            return phis

        builder.position_at_end(tap_loop)
        tap = builder.phi(size)
        tap.add_incoming(zero, before)
        tap_sums = carried(first_sums, before)
        offset = builder.load(builder.gep(tap_array.data, [tap]))
        a_tap = builder.add(a_start, offset)
        step = builder.add(builder.mul(panel, tap_count), tap)
        b_tap = builder.mul(builder.mul(step, depth), number(COLUMNS))
        builder.branch(step_loop)

        builder.position_at_end(step_loop)
        k = builder.phi(size)
        k.add_incoming(zero, tap_loop)
        sums = carried(tap_sums, tap_loop)
        b_row = builder.add(b_tap, builder.mul(k, number(COLUMNS)))
        b_starts = [builder.add(b_row, number(v * LANES)) for v in range(vectors)]
        b_vectors = [builder.load(place(context, builder, sig.args[3], packed, at), align=4) for at in b_starts]
        a_column = builder.add(a_tap, builder.mul(k, a_step))
        new_sums = []
        for i in range(row_count):
            a_place = builder.gep(a_data, [builder.add(a_column, builder.mul(a_row, number(i)))])
            everywhere = splat(builder, builder.load(a_place, align=4))
            for v in range(vectors):
                new_sums.append(builder.call(fma, [everywhere, b_vectors[v], sums[i * vectors + v]]))
        k_next = builder.add(k, one)
        k.add_incoming(k_next, step_loop)
        for phi, new in zip(sums, new_sums, strict=True):
            phi.add_incoming(new, step_loop)
        builder.cbranch(builder.icmp_signed("<", k_next, depth), step_loop, tap_end)

        builder.position_at_end(tap_end)
        tap_next = builder.add(tap, one)
        tap.add_incoming(tap_next, tap_end)
        for phi, new in zip(tap_sums, new_sums, strict=True):
            phi.add_incoming(new, tap_end)
        builder.cbranch(builder.icmp_signed("<", tap_next, tap_count), tap_loop, after)

        # Store the sums.
        builder.position_at_end(after)
        finals = carried(first_sums, before)
        for final, new in zip(finals, new_sums, strict=True):
            final.add_incoming(new, tap_end)
        targets = places(sig.args[5], c)
        with builder.if_else(full) as (whole, cut):
            with whole:
                for final, target in zip(finals, targets, strict=True):
                    builder.store(final, target, align=4)
            with cut:
                for final, target, mask in zip(finals, targets, masks, strict=True):
                    masked_store(builder, final, target, mask)

    def codegen(context, builder, sig, args):
        # Where few columns are left, one vector a row holds them: half of the work.
        columns = builder.extract_value(args[-1], 1)
        narrow = builder.icmp_signed("<=", columns, ir.Constant(columns.type, LANES))
        with builder.if_else(narrow) as (one, every):
            with one:
                code(context, builder, sig, args, 1)
            with every:
                code(context, builder, sig, args, VECTORS)
        return context.get_dummy_value()

    return signature, codegen


tile: Any = intrinsic(prefer_literal=True)(_tile)


# Signatures are given here: a caller's literal numbers would each compile a version of their own.
_FLOATS, _INT = types.float32[::1], types.int64
_PAIR, _TRIPLE, _FOUR = (types.UniTuple(types.int64, n) for n in (2, 3, 4))
_TAPS = types.Array(types.int64, 1, "C", readonly=True)
MATRIX = types.NamedTuple((_FLOATS, _INT, _INT, _INT), Matrix)


@jit(types.void(_FLOATS, _INT, _FLOATS, _INT, _INT))
def copy(source, source_start, target, target_start, count):
    """target[...] = source[...]; through views, whose index cannot be negative, it becomes a vector copy."""
    read, write = source[source_start : source_start + count], target[target_start : target_start + count]
    for i in range(count):
        write[i] = read[i]


@jit(types.void(MATRIX, _PAIR, _FLOATS))
def add_rows(rows, shape, sums):
    """sums[j] += the sum over the rows of a matrix of this shape: what a bias gets of a gradient."""
    count, width = shape
    for i in range(count):
        row = rows.data[rows.start + i * rows.row : rows.start + i * rows.row + width]
        for j in range(width):
            sums[j] += row[j]


@jit(types.void(MATRIX, _PAIR, _FLOATS, _INT, _INT))
def pack(b, shape, packed, first, total):
    """Copy B, of this shape (depth, columns), to panels of COLUMNS columns, the last filled up with zeros.

    It becomes the rows first ... first + depth - 1 of a matrix of `total` rows: B[k, j] goes to
    packed[((j // COLUMNS) total + first + k) COLUMNS + j % COLUMNS].
    """
    depth, columns = shape
    for panel in range((columns + COLUMNS - 1) // COLUMNS):
        width = min(COLUMNS, columns - panel * COLUMNS)
        source, target = b.start + panel * COLUMNS * b.column, (panel * total + first) * COLUMNS
        if b.column == 1:
            for k in range(depth):
                for j in range(0, COLUMNS, LANES):
                    store(packed, target + k * COLUMNS + j, load_some(b.data, source + k * b.row + j, width - j))
            continue
        for k in range(depth):
            for j in range(width // LANES * LANES, COLUMNS, LANES):
                store(packed, target + k * COLUMNS + j, broadcast(np.float32(0)))
        if b.row == 1:
            transpose(b.data, source, b.column, width, depth, packed, target, COLUMNS)
        else:
            for k in range(depth):
                for j in range(width):
                    packed[target + k * COLUMNS + j] = b.data[source + k * b.row + j * b.column]


@jit(types.void(_FLOATS, _INT, _FOUR, _FOUR, _FLOATS))
def pack_taps(weight, start, steps, shape, packed):
    """Copy a weight of this shape (kh, kw, C, O), its numbers `steps` apart, to one packed matrix of kh kw C rows."""
    kh, kw, C, O = shape
    for i in range(kh):
        for j in range(kw):
            tap = Matrix(weight, start + i * steps[0] + j * steps[1], steps[2], steps[3])
            pack(tap, (C, O), packed, (i * kw + j) * C, kh * kw * C)


def packed_size(depth: int, columns: int) -> int:
    """Numbers in a packed (depth x columns) matrix.

    >>> packed_size(9, COLUMNS) == packed_size(9, 1) == 9 * COLUMNS
    True
    """
    return depth * ((columns + COLUMNS - 1) // COLUMNS) * COLUMNS


ONE_TAP = np.zeros(1, np.int64)  # of an ordinary matrix product: k runs through one piece


@jit(types.void(MATRIX, _TAPS, _FLOATS, MATRIX, MATRIX, _TRIPLE))
def multiply_add(a, taps, packed, init, c, shape):
    """C = init + A B for A (rows x len(taps) depth), B (len(taps) depth x columns) packed, shape = (rows, depth,
    columns): tiles by rows and panels. Numbers lie as in _tile; init may be C itself, and one row, a bias, where its
    rows are 0 apart.
    """
    rows, depth, columns = shape
    for panel in range((columns + COLUMNS - 1) // COLUMNS):
        sizes, row = (depth, columns - panel * COLUMNS), 0
        while row < rows:
            more, at = rows - row, (row, panel)
            if more >= ROWS:
                tile(ROWS, a, taps, packed, init, c, at, sizes)
                row += ROWS
            elif more >= _R2:
                tile(_R2, a, taps, packed, init, c, at, sizes)
                row += _R2
            elif more >= _R3:
                tile(_R3, a, taps, packed, init, c, at, sizes)
                row += _R3
            elif more >= _R4:
                tile(_R4, a, taps, packed, init, c, at, sizes)
                row += _R4
            else:
                tile(1, a, taps, packed, init, c, at, sizes)
                row += 1
