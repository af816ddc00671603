"""The weight gradient of Winograd's convolution: the forward pass turned round.

With V = B^T d B the transformed inputs and D = A grad_y A^T the transformed gradient of the output,

    grad_weight = G^T [ sum over tiles V^T D ] G

place by place: 36 matrix products (C x tiles) times (tiles x O) in place of 144. Rounding and rule are winograd.py's.
"""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, prange, types

from minisd_kernels.arguments import Array, Sides
from minisd_kernels.compiling import CHUNKS, jit, parallel_jit
from minisd_kernels.conv2d.winograd import (
    DEPTH,
    GROUP,
    PLACES,
    TILES,
    WIDE,
    WIDE_GROUP,
    Memory,
    Tiles,
    blocks_and_panels,
    edge_room,
    tile_corner,
    tile_of,
    tiles_of_group,
    transform_inputs,
    whole,
)
from minisd_kernels.register_tile import COLUMNS, ONE_TAP, ROWS, Matrix, add_rows, multiply_add
from minisd_kernels.scratch import scratch
from minisd_kernels.vectors import LANES, load_each, load_some, store_each, store_some

_FLOATS, _INT, _PAIR = types.float32[::1], types.int64, types.UniTuple(types.int64, 2)
_TWO, _FOUR, _EIGHT = np.float32(2), np.float32(4), np.float32(8)
_QUARTER, _SIXTH, _TWELFTH, _TWENTYFOURTH = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 12), np.float32(1 / 24)


@jit
def _a(y):
    """A y: the way in of a gradient."""
    y0, y1, y2, y3 = y
    even, odd, far_even, far_odd = y0 + y2, y1 + y3, y0 + _FOUR * y2, _TWO * y1 + _EIGHT * y3
    return y0, even + odd, even - odd, far_even + far_odd, far_even - far_odd, y3


@jit
def _g_t(u):
    """G^T u: the way out of the weight's gradient."""
    u0, u1, u2, u3, u4, u5 = u
    near, near_odd, far, far_odd = _SIXTH * (u1 + u2), u2 - u1, u3 + u4, u3 - u4
    return _QUARTER * u0 - near + _TWENTYFOURTH * far, _SIXTH * near_odd + _TWELFTH * far_odd, _SIXTH * far - near + u5


@jit(types.void(_FLOATS, TILES, *[_INT] * 3, _FLOATS, _FLOATS))
def _transform_gradients(grad_y, tiles, first, start, stop, values, edge):
    """D = A grad_y A^T in the same way, in blocks of COLUMNS channels: packed for the register tile."""
    half, step = edge[edge.size - 36 * LANES :], tiles.room * COLUMNS
    for n in range(start, stop):
        b, top, left = tile_corner(tiles, first + n)
        d = tile_of(grad_y, (tiles.P, tiles.Q, tiles.O), b, top, left, 4, edge)
        for c in range(0, (tiles.O + COLUMNS - 1) // COLUMNS * COLUMNS, LANES):
            for j in range(4):
                column = load_each(d.data, d.start + j * d.column + c, d.row, 4)
                store_each(half, j * LANES, 4 * LANES, _a(column))
            target = c // COLUMNS * PLACES * step + n * COLUMNS + c % COLUMNS
            for i in range(6):
                v = _a(load_each(half, i * 4 * LANES, LANES, 4))
                store_each(values, target + i * 6 * step, step, v)


@jit(types.void(_FLOATS, TILES, _INT, _INT, _FLOATS, _FLOATS))
def _transform_weight_gradient(sums, tiles, panel, block, grad_weight, edge):
    """grad_weight[tap, c, o] += G^T sums G for a panel of outputs and a block of inputs."""
    C, O, half = tiles.C, tiles.O, edge[edge.size - 36 * LANES :]
    size, columns = min(tiles.depth, C - block * tiles.depth) * COLUMNS, min(COLUMNS, O - panel * COLUMNS)
    start = block * tiles.depth * O + panel * COLUMNS
    for n in range(0, size, LANES):
        left = columns - n % COLUMNS
        if left <= 0:
            continue
        for j in range(6):
            store_each(half, j * LANES, 6 * LANES, _g_t(load_each(sums, j * size + n, 6 * size, 6)))
        for i in range(3):
            at = start + (3 * i * C + n // COLUMNS) * O + n % COLUMNS
            g0, g1, g2 = _g_t(load_each(half, i * 6 * LANES, LANES, 6))
            store_some(grad_weight, at, g0 + load_some(grad_weight, at, left), left)
            store_some(grad_weight, at + C * O, g1 + load_some(grad_weight, at + C * O, left), left)
            store_some(grad_weight, at + 2 * C * O, g2 + load_some(grad_weight, at + 2 * C * O, left), left)


@jit(types.void(TILES, *[_INT] * 3, *[_FLOATS] * 4))
def _add_products(tiles, panel, block, count, values, gradients, begin, sums):
    """sums = begin + V^T D at all 36 places, for one panel and one block; begin is sums itself, or a row of zeros."""
    used = min(tiles.depth, tiles.C - block * tiles.depth)
    more, size = begin.size > COLUMNS, used * COLUMNS
    for place in range(PLACES):
        v = Matrix(values, (block * PLACES + place) * tiles.room * tiles.depth, 1, tiles.depth)
        d = gradients[(panel * PLACES + place) * tiles.room * COLUMNS :]
        start = Matrix(begin, place * size if more else 0, COLUMNS if more else 0, 1)
        multiply_add(v, ONE_TAP, d, start, Matrix(sums, place * size, COLUMNS, 1), (used, count, COLUMNS))


@jit(types.void(_FLOATS, TILES, _INT, _FLOATS))
def _add_bias(gradients, tiles, count, bias_sums):
    """Place (1, 1) of D is the sum over a tile: its row of A is 1 1 1 1."""
    for panel in range(bias_sums.size // COLUMNS):
        d = Matrix(gradients, (panel * PLACES + 7) * tiles.room * COLUMNS, COLUMNS, 1)
        add_rows(d, (count, COLUMNS), bias_sums[panel * COLUMNS :])


@parallel_jit
def _narrow_weight_gradient(grad_y, tiles, memory, gradients, bias_sums, grad_weight):
    """Every thread takes some of the groups. They make CHUNKS sums, which at the end are added in order."""
    values, sums, edges, zeros = memory
    threads, parts = edges.shape[0], bias_sums.shape[0]
    blocks, panels = blocks_and_panels(tiles)
    tasks, size = blocks * panels, PLACES * tiles.depth * COLUMNS
    for thread in prange(threads):
        v, d, edge = values[thread], gradients[thread], edges[thread]
        for part in range(parts * thread // threads, parts * (thread + 1) // threads):
            start, stop = tiles.groups * part // parts, tiles.groups * (part + 1) // parts
            for group in range(start, stop):
                first, count = tiles_of_group(tiles, group)
                transform_inputs(tiles, first, 0, count, v, edge)
                _transform_gradients(grad_y, tiles, first, 0, count, d, edge)
                _add_bias(d, tiles, count, bias_sums[part])
                for task in range(tasks):
                    own = sums[part, task * size : (task + 1) * size]
                    begin = own if group > start else zeros
                    _add_products(tiles, task // blocks, task % blocks, count, v, d, begin, own)
    for thread in prange(threads):
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            panel, block = task // blocks, task % blocks
            used = PLACES * min(tiles.depth, tiles.C - block * tiles.depth) * COLUMNS
            total = sums[0, task * size : task * size + used]
            for part in range(1, parts):
                more = sums[part, task * size : task * size + used]
                for n in range(used):
                    total[n] += more[n]
            _transform_weight_gradient(total, tiles, panel, block, grad_weight, edges[thread])


@parallel_jit
def _wide_weight_gradient(grad_y, tiles, memory, gradients, bias_sums, grad_weight):
    """One group after the other, the threads share its tiles and then the panels and blocks of the sums."""
    values, sums, edges, zeros = memory
    threads, v, d = edges.shape[0], values[0], gradients[0]
    blocks, panels = blocks_and_panels(tiles)
    tasks = blocks * panels
    for group in range(tiles.groups):
        first, count = tiles_of_group(tiles, group)
        for thread in prange(threads):
            start, stop, edge = count * thread // threads, count * (thread + 1) // threads, edges[thread]
            transform_inputs(tiles, first, start, stop, v, edge)
            _transform_gradients(grad_y, tiles, first, start, stop, d, edge)
        _add_bias(d, tiles, count, bias_sums[0])
        for thread in prange(threads):
            own, edge = sums[thread], edges[thread]
            for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
                panel, block = task // blocks, task % blocks
                _add_products(tiles, panel, block, count, v, d, zeros, own)
                _transform_weight_gradient(own, tiles, panel, block, grad_weight, edge)


def weight_gradient(grad_y: Array, x: Array, padding: Sides) -> tuple[Array, Array]:
    """The gradients of weight (3, 3, C, O) and of the bias."""
    (B, H, W, C), (_, P, Q, O) = x.shape, grad_y.shape
    depth, threads, wide = min(DEPTH, whole(C, COLUMNS)), get_num_threads(), PLACES * C * O > WIDE
    total = B * -(-P // 4) * -(-Q // 4)
    groups = max(1, -(-total // WIDE_GROUP)) if wide else max(1, -(-total // GROUP), min(CHUNKS, total // ROWS))
    room = -(-total // groups) + 1
    corner = -padding[0][0], -padding[1][0]
    tiles = Tiles(x.reshape(-1), H, W, C, P, Q, O, *corner, total, groups, room, depth)
    blocks, panels = -(-C // depth), -(-O // COLUMNS)
    copies, parts, size = 1 if wide else threads, min(CHUNKS, groups), PLACES * depth * COLUMNS
    sums = ("Winograd sums", threads, size) if wide else ("Winograd sums", parts, panels * blocks * size)
    memory = Memory(
        scratch("Winograd inputs", copies, blocks * PLACES * room * depth),
        scratch(*sums),
        edge_room(threads, max(C, O)),
        np.zeros(COLUMNS, np.float32),
    )
    gradients = scratch("Winograd gradients", copies, panels * PLACES * room * COLUMNS)
    grad_weight = np.zeros((3, 3, C, O), np.float32)
    bias_sums = np.zeros((1 if wide else parts, panels * COLUMNS), np.float32)
    run = _wide_weight_gradient if wide else _narrow_weight_gradient
    run(grad_y.reshape(-1), tiles, memory, gradients, bias_sums, grad_weight.reshape(-1))
    return grad_weight, bias_sums[:, :O].sum(axis=0)
