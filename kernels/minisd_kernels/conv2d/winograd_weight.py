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
    WIDE,
    WIDE_GROUP,
    edge_room,
    tile_corner,
    tile_of,
    transform_inputs,
    whole,
)
from minisd_kernels.register_tile import COLUMNS, ONE_TAP, ROWS, add_rows, multiply_add
from minisd_kernels.scratch import scratch
from minisd_kernels.vectors import LANES, load_each, load_some, store_each, store_some

_FLOATS, _INT, _INTS = types.float32[::1], types.int64, types.int64[::1]
_TRIPLE = types.UniTuple(types.int64, 3)
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


@jit(types.void(_FLOATS, _TRIPLE, *[_INT] * 4, _FLOATS, _FLOATS))
def _transform_gradients(grad_y, shape, first, start, stop, step, values, edge):
    """D = A grad_y A^T in the same way, in blocks of COLUMNS channels: packed for the register tile."""
    half = edge[edge.size - 36 * LANES :]
    for n in range(start, stop):
        b, top, left = tile_corner(first + n, shape)
        source, begin, row, pixel = tile_of(grad_y, shape, b, top, left, 4, edge)
        for c in range(0, (shape[2] + COLUMNS - 1) // COLUMNS * COLUMNS, LANES):
            for j in range(4):
                store_each(half, j * LANES, 4 * LANES, _a(load_each(source, begin + j * pixel + c, row, 4)))
            target = (c // COLUMNS * PLACES * step + n) * COLUMNS + c % COLUMNS
            for i in range(6):
                v = _a(load_each(half, i * 4 * LANES, LANES, 4))
                store_each(values, target + i * 6 * step * COLUMNS, step * COLUMNS, v)


@jit(types.void(_FLOATS, *[_INT] * 4, _FLOATS, _INT, _FLOATS))
def _transform_weight_gradient(sums, depth, columns, C, O, grad_weight, start, edge):
    """grad_weight[tap, c, o] += G^T sums G for a panel of `columns` outputs and a block of `depth` inputs."""
    size, half = depth * COLUMNS, edge[edge.size - 36 * LANES :]
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


@jit(types.void(_FLOATS, *[_INT] * 6, _FLOATS, _INTS, _FLOATS, _FLOATS, _INT, types.boolean))
def _add_products(values, panel, block, depth, used, step, count, gradients, one_tap, zeros, sums, start, more):
    """sums = V^T D at all 36 places, for one panel and one block; or added to what is there, if there is more."""
    for place in range(PLACES):
        a, c = (block * PLACES + place) * step * depth, start + place * used * COLUMNS
        d = gradients[(panel * PLACES + place) * step * COLUMNS :]
        begin, i, row = (sums, c, COLUMNS) if more else (zeros, 0, 0)
        multiply_add(values, a, 1, one_tap, depth, count, used, d, COLUMNS, begin, i, row, sums, c, COLUMNS)


@jit
def _add_bias(gradients, step, count, panels, bias_sums):
    """Place (1, 1) of D is the sum over a tile: its row of A is 1 1 1 1."""
    for panel in range(panels):
        start = (panel * PLACES + 7) * step * COLUMNS
        add_rows(gradients, start, count, COLUMNS, COLUMNS, bias_sums[panel * COLUMNS :])


@parallel_jit
def _narrow_weight_gradient(
    x, x_shape, grad_y, shape, corner, depth, step, one_tap, zeros, tiles, groups, values, gradients, sums, bias_sums,
    edges, grad_weight,
):  # fmt: skip
    """Every thread takes some of the groups. They make CHUNKS sums, which at the end are added in order."""
    C, O, threads = x_shape[2], shape[2], edges.shape[0]
    blocks, panels = (C + depth - 1) // depth, (O + COLUMNS - 1) // COLUMNS
    tasks, block_size, parts = blocks * panels, PLACES * depth * COLUMNS, min(CHUNKS, groups)
    for thread in prange(threads):
        v, d, edge = values[thread], gradients[thread], edges[thread]
        for part in range(parts * thread // threads, parts * (thread + 1) // threads):
            start, stop = groups * part // parts, groups * (part + 1) // parts
            for group in range(start, stop):
                first = tiles * group // groups
                count = tiles * (group + 1) // groups - first
                transform_inputs(x, x_shape, shape, corner, first, 0, count, depth, step, v, edge)
                _transform_gradients(grad_y, shape, first, 0, count, step, d, edge)
                _add_bias(d, step, count, panels, bias_sums[part])
                for task in range(tasks):
                    panel, block, at = task // blocks, task % blocks, task * block_size
                    used, more = min(depth, C - block * depth), group > start
                    _add_products(v, panel, block, depth, used, step, count, d, one_tap, zeros, sums[part], at, more)
    for thread in prange(threads):
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            panel, block = task // blocks, task % blocks
            used, columns = min(depth, C - block * depth), min(COLUMNS, O - panel * COLUMNS)
            total = sums[0, task * block_size : (task + 1) * block_size]
            for part in range(1, parts):
                more = sums[part, task * block_size : (task + 1) * block_size]
                for n in range(PLACES * used * COLUMNS):
                    total[n] += more[n]
            at = block * depth * O + panel * COLUMNS
            _transform_weight_gradient(total, used, columns, C, O, grad_weight, at, edges[thread])


@parallel_jit
def _wide_weight_gradient(
    x, x_shape, grad_y, shape, corner, depth, step, one_tap, zeros, tiles, groups, values, gradients, sums, bias_sums,
    edges, grad_weight,
):  # fmt: skip
    """One group after the other, the threads share its tiles and then the panels and blocks of the sums."""
    C, O, threads = x_shape[2], shape[2], edges.shape[0]
    blocks, panels = (C + depth - 1) // depth, (O + COLUMNS - 1) // COLUMNS
    tasks = blocks * panels
    for group in range(groups):
        first = tiles * group // groups
        count = tiles * (group + 1) // groups - first
        for thread in prange(threads):
            start, stop, edge = count * thread // threads, count * (thread + 1) // threads, edges[thread]
            transform_inputs(x, x_shape, shape, corner, first, start, stop, depth, step, values, edge)
            _transform_gradients(grad_y, shape, first, start, stop, step, gradients, edge)
        _add_bias(gradients, step, count, panels, bias_sums)
        for thread in prange(threads):
            own, edge = sums[thread], edges[thread]
            for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
                panel, block = task // blocks, task % blocks
                used, columns = min(depth, C - block * depth), min(COLUMNS, O - panel * COLUMNS)
                _add_products(
                    values, panel, block, depth, used, step, count, gradients, one_tap, zeros, own, 0, False
                )  # fmt: skip
                at = block * depth * O + panel * COLUMNS
                _transform_weight_gradient(own, used, columns, C, O, grad_weight, at, edge)


def weight_gradient(grad_y: Array, x: Array, padding: Sides) -> tuple[Array, Array]:
    """The gradients of weight (3, 3, C, O) and of the bias."""
    (B, H, W, C), (_, OH, OW, O) = x.shape, grad_y.shape
    corner, depth = (-padding[0][0], -padding[1][0]), min(DEPTH, whole(C, COLUMNS))
    blocks, panels, threads = -(-C // depth), -(-O // COLUMNS), get_num_threads()
    wide = PLACES * C * O > WIDE
    tiles = B * -(-OH // 4) * -(-OW // 4)
    groups = max(1, -(-tiles // WIDE_GROUP)) if wide else max(1, -(-tiles // GROUP), min(CHUNKS, tiles // ROWS))
    step = -(-tiles // groups) + 1
    copies = () if wide else (threads,)
    values = scratch("Winograd inputs", *copies, blocks * PLACES * step * depth)
    gradients = scratch("Winograd gradients", *copies, panels * PLACES * step * COLUMNS)
    block_size, zeros, grad_weight = (
        PLACES * depth * COLUMNS,
        np.zeros(COLUMNS, np.float32),
        np.zeros(9 * C * O, np.float32),
    )
    numbers = (x.reshape(-1), (H, W, C), grad_y.reshape(-1), (OH, OW, O), corner, depth, step, ONE_TAP, zeros)
    edges = edge_room(threads, max(C, O))
    if wide:
        sums, bias_sums = scratch("Winograd sums", threads, block_size), np.zeros(panels * COLUMNS, np.float32)
        _wide_weight_gradient(*numbers, tiles, groups, values, gradients, sums, bias_sums, edges, grad_weight)
        return grad_weight.reshape(3, 3, C, O), bias_sums[:O]
    sums = scratch("Winograd sums", min(CHUNKS, groups), panels * blocks * block_size)
    bias_sums = np.zeros((min(CHUNKS, groups), panels * COLUMNS), np.float32)
    _narrow_weight_gradient(*numbers, tiles, groups, values, gradients, sums, bias_sums, edges, grad_weight)
    return grad_weight.reshape(3, 3, C, O), bias_sums.sum(axis=0)[:O]
