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

from typing import Any

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


def _tile(
    typingctx, rows, a, a_start, a_row, taps, a_step, depth, b, b_start, init, init_start, init_row, c, c_start, c_row,
    columns,
):  # fmt: skip
    """C = init + A B for `rows` (a literal) x COLUMNS float32 outputs, kept in registers; the first `columns` count.

    k runs over taps, and within each over `depth` steps: A[i, (t, k)] is a[a_start + i a_row + taps[t] + k a_step],
    B[(t, k), j] is b[b_start + (t depth + k) COLUMNS + j], init[i, j] is init[init_start + i init_row + j], and
    C[i, j] is c[c_start + i c_row + j].
    """
    if not isinstance(rows, types.IntegerLiteral) or not all(map(is_float32_array, (a, b, init, c))):
        return None
    row_count = rows.literal_value
    index = types.intp
    a_types, b_types = (a, index, index, taps, index, index), (b, index)
    signature = types.void(rows, *a_types, *b_types, init, index, index, c, index, index, index)

    def code(context, builder, sig, args, vectors):
        (
            _,
            a,
            a_start,
            a_row,
            taps,
            a_step,
            depth,
            b,
            b_start,
            init,
            init_start,
            init_row,
            c,
            c_start,
            c_row,
            columns,
        ) = args
        size = depth.type
        zero, one = ir.Constant(size, 0), ir.Constant(size, 1)
        tap_array = context.make_array(sig.args[4])(context, builder, taps)
        tap_count = builder.extract_value(tap_array.shape, 0)
        a_data = context.make_array(sig.args[1])(context, builder, a).data
        kind = ir.FunctionType(llvm_vector, [llvm_vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")

        def number(value):
            return ir.Constant(size, value)

        def places(array_type, array, start, row):
            row_starts = [builder.add(start, builder.mul(row, number(i))) for i in range(row_count)]
            return [
                place(context, builder, array_type, array, builder.add(row_start, number(v * LANES)))
                for row_start in row_starts
                for v in range(vectors)
            ]

        full = builder.icmp_signed(">=", columns, number(vectors * LANES))
        masks = [first_lanes(builder, builder.sub(columns, number(v * LANES))) for v in range(vectors)] * row_count

        # The sums begin as init.
        sources = places(sig.args[9], init, init_start, init_row)
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
        b_tap = builder.add(b_start, builder.mul(builder.mul(tap, depth), number(COLUMNS)))
        builder.branch(step_loop)

        builder.position_at_end(step_loop)
        k = builder.phi(size)
        k.add_incoming(zero, tap_loop)
        sums = carried(tap_sums, tap_loop)
        b_row = builder.add(b_tap, builder.mul(k, number(COLUMNS)))
        b_starts = [builder.add(b_row, number(v * LANES)) for v in range(vectors)]
        b_vectors = [builder.load(place(context, builder, sig.args[7], b, at), align=4) for at in b_starts]
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
        targets = places(sig.args[12], c, c_start, c_row)
        with builder.if_else(full) as (whole, cut):
            with whole:
                for final, target in zip(finals, targets, strict=True):
                    builder.store(final, target, align=4)
            with cut:
                for final, target, mask in zip(finals, targets, masks, strict=True):
                    masked_store(builder, final, target, mask)

    def codegen(context, builder, sig, args):
        # Where few columns are left, one vector a row holds them: half of the work.
        narrow = builder.icmp_signed("<=", args[-1], ir.Constant(args[-1].type, LANES))
        with builder.if_else(narrow) as (one, every):
            with one:
                code(context, builder, sig, args, 1)
            with every:
                code(context, builder, sig, args, VECTORS)
        return context.get_dummy_value()

    return signature, codegen


tile: Any = intrinsic(prefer_literal=True)(_tile)


# Signatures are given here: a caller's literal numbers would each compile a version of their own.
_FLOATS, _INT, _INTS = types.float32[::1], types.int64, types.int64[::1]


@jit(types.void(_FLOATS, _INT, _FLOATS, _INT, _INT))
def copy(source, source_start, target, target_start, count):
    """target[...] = source[...]; through views, whose index cannot be negative, it becomes a vector copy."""
    read, write = source[source_start : source_start + count], target[target_start : target_start + count]
    for i in range(count):
        write[i] = read[i]


@jit(types.void(_FLOATS, *[_INT] * 4, _FLOATS))
def add_rows(rows, start, count, width, step, sums):
    """sums[j] += the sum over `count` rows of `width` numbers, `step` apart: what a bias gets of a gradient."""
    for i in range(count):
        row = rows[start + i * step : start + i * step + width]
        for j in range(width):
            sums[j] += row[j]


@jit(types.void(_FLOATS, *[_INT] * 5, _FLOATS, _INT, _INT))
def pack(b, b_start, b_row, b_column, depth, columns, packed, first, total):
    """Copy B (depth x columns) to panels of COLUMNS columns, the last filled up with zeros.

    It becomes the rows first ... first + depth - 1 of a matrix of `total` rows: B[k, j], which is
    b[b_start + k b_row + j b_column], goes to packed[((j // COLUMNS) total + first + k) COLUMNS + j % COLUMNS].
    """
    for panel in range((columns + COLUMNS - 1) // COLUMNS):
        width = min(COLUMNS, columns - panel * COLUMNS)
        source, target = b_start + panel * COLUMNS * b_column, (panel * total + first) * COLUMNS
        if b_column == 1:
            for k in range(depth):
                for j in range(0, COLUMNS, LANES):
                    store(packed, target + k * COLUMNS + j, load_some(b, source + k * b_row + j, width - j))
            continue
        for k in range(depth):
            for j in range(width // LANES * LANES, COLUMNS, LANES):
                store(packed, target + k * COLUMNS + j, broadcast(np.float32(0)))
        if b_row == 1:
            transpose(b, source, b_column, width, depth, packed, target, COLUMNS)
        else:
            for k in range(depth):
                for j in range(width):
                    packed[target + k * COLUMNS + j] = b[source + k * b_row + j * b_column]


def packed_size(depth: int, columns: int) -> int:
    """Numbers in a packed (depth x columns) matrix.

    >>> packed_size(9, COLUMNS) == packed_size(9, 1) == 9 * COLUMNS
    True
    """
    return depth * ((columns + COLUMNS - 1) // COLUMNS) * COLUMNS


ONE_TAP = np.zeros(1, np.int64)  # of an ordinary matrix product: k runs through one piece


@jit(
    types.void(
        *(_FLOATS, _INT, _INT, _INTS, _INT, _INT, _INT),
        *(_FLOATS, _INT, _FLOATS, _INT, _INT, _FLOATS, _INT, _INT),
    )
)
def multiply_add(
    a, a_start, a_row, taps, a_step, depth, rows, packed, columns, init, init_start, init_row, c, c_start, c_row
):
    """C = init + A B for A (rows x len(taps) depth), B (len(taps) depth x columns) packed: tiles by rows and panels.

    Addresses as in _tile; init may be C itself, and init_row 0 repeats one row, a bias.
    """
    panel_size = taps.size * depth * COLUMNS
    for panel in range((columns + COLUMNS - 1) // COLUMNS):
        left, b, column = columns - panel * COLUMNS, panel * panel_size, panel * COLUMNS
        row = 0
        while row < rows:
            more, first = rows - row, a_start + row * a_row
            start, end = init_start + row * init_row + column, c_start + row * c_row + column
            if more >= ROWS:
                tile(ROWS, a, first, a_row, taps, a_step, depth, packed, b, init, start, init_row, c, end, c_row, left)
                row += ROWS
            elif more >= _R2:
                tile(_R2, a, first, a_row, taps, a_step, depth, packed, b, init, start, init_row, c, end, c_row, left)
                row += _R2
            elif more >= _R3:
                tile(_R3, a, first, a_row, taps, a_step, depth, packed, b, init, start, init_row, c, end, c_row, left)
                row += _R3
            elif more >= _R4:
                tile(_R4, a, first, a_row, taps, a_step, depth, packed, b, init, start, init_row, c, end, c_row, left)
                row += _R4
            else:
                tile(1, a, first, a_row, taps, a_step, depth, packed, b, init, start, init_row, c, end, c_row, left)
                row += 1
