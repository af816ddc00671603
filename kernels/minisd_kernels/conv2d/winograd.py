"""Winograd's minimal filtering F(4x4, 3x3): a 3 x 3 convolution of stride 1 with a quarter of the multiplications.

    Y = A^T [ sum_c (G g_c G^T) * (B^T d_c B) ] A        d_c: 6 x 6 of the input, g_c: 3 x 3 weights, Y: 4 x 4 outputs

where * multiplies number by number (Winograd 1980; Lavin & Gray 2016, equation 12). The sum over windows takes
16 * 9 = 144 multiplications for a channel of Y, this one 36: one for each number of the transformed tiles. The idea
is the product of polynomials by their values: a filter of 3 numbers over 4 outputs is a product of degree 5, B^T and
G evaluate its factors at the points 0, 1, -1, 2, -2 and infinity, and A^T goes back from the values.

Over all tiles and channels each of the 36 places is a matrix product, (tiles x C) times (C x O). The transforms
themselves cost additions for every tile and every weight, so they pay when C, O and the number of tiles are large.

The price is rounding: the transforms add and subtract numbers up to 10 times larger than the result. In float32 the
error grows from about 1e-6 of the largest output to about 1e-5. And a NaN or infinity in x spoils every output of the
tiles that see it, up to 3 pixels farther than its windows reach.

A result does not depend on the batch or the threads; it does depend, in its last digits, on where a pixel lies in its
4 x 4 tile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import get_num_threads, prange, types

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.compiling import contiguous, flat, jit, parallel_jit
from minisd_kernels.register_tile import COLUMNS, MATRIX, ONE_TAP, ROWS, Matrix, copy, multiply_add, pack
from minisd_kernels.scratch import scratch
from minisd_kernels.vectors import LANES, load, load_each, store_each

B_T = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float32,
)
G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float32,
)
A_T = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ],
    np.float32,
)


# The plain version: the equation above.


def plain_forward(x: Array, weight: Array, padding: Sides) -> Array:
    """Convolve x (B, H, W, C) with weight (3, 3, C, O), tile by tile.

    >>> x, weight = np.ones((1, 2, 6, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    >>> plain_forward(x, weight, ((1, 1), (1, 1)))[0, :, :, 0].round(3).tolist()
    [[4.0, 6.0, 6.0, 6.0, 6.0, 4.0], [4.0, 6.0, 6.0, 6.0, 6.0, 4.0]]
    """
    (B, H, W, _), ((top, bottom), (left, right)) = x.shape, padding
    OH, OW = top + H + bottom - 2, left + W + right - 2
    down, across = -OH % 4, -OW % 4  # the last tiles reach over the edge
    x_padded = np.pad(x, ((0, 0), (top, bottom + down), (left, right + across), (0, 0)))
    y = np.empty((B, OH + down, OW + across, weight.shape[3]), x.dtype)
    g = np.einsum("ui,ijco,vj->uvco", G, weight, G)
    for p in range(0, OH, 4):
        for q in range(0, OW, 4):
            d = np.einsum("uh,bhwc,vw->buvc", B_T, x_padded[:, p : p + 6, q : q + 6], B_T)
            products = np.einsum("buvc,uvco->buvo", d, g)
            y[:, p : p + 4, q : q + 4] = np.einsum("pu,buvo,qv->bpqo", A_T, products, A_T)
    return y[:, :OH, :OW]


# The fast version. A group of tiles is transformed, then each panel of COLUMNS output channels: 36 products in the
# register tile, transform back. A transform is the same sums over the columns of a tile, then over its rows, for a
# vector of channels at a time.

PLACES = 36
DEPTH = 64  # input channels at a time
# Tiles at a time. A narrow layer's group stays in the L2 cache with its sums. A wide layer's weights, four times
# larger once transformed, are made for one panel and DEPTH channels, used for as many tiles as the cache takes,
# and forgotten.
GROUP, WIDE_GROUP = 56, 168
WIDE = 1 << 20  # numbers of a transformed weight


class Tiles(NamedTuple):
    """The tiles of a convolution's output, and of what they see. Flat, as threads want it.

    Attributes:
        x: the pictures, flat.
        H, W, C: their size.
        P, Q, O: the output's.
        top, left: where in x the first tile's input begins, -1 with a padding of 1.
        total: tiles of all pictures.
        groups: how many they are shared out to, one of which is transformed at a time.
        room: tiles that fit the memory of a group.
        depth: input channels of a block.
    """

    x: Array
    H: int
    W: int
    C: int
    P: int
    Q: int
    O: int
    top: int
    left: int
    total: int
    groups: int
    room: int
    depth: int


class Weight(NamedTuple):
    """A flat weight: tap t, input c and output o is data[start + t tap + c into + o out]."""

    data: Array
    start: int
    tap: int
    into: int
    out: int


class Memory(NamedTuple):
    """Scratch: transformed tiles, sums, for each thread room for a tile with its edge, and what a sum begins with."""

    values: Array
    sums: Array
    edges: Array
    zeros: Array


# Signatures are given where a caller's literal numbers would each compile a version of their own.
_FLOATS, _INT, _PAIR, _TRIPLE = types.float32[::1], types.int64, *(types.UniTuple(types.int64, n) for n in (2, 3))
TILES = types.NamedTuple((_FLOATS, *[_INT] * 12), Tiles)
_WEIGHT = types.NamedTuple((_FLOATS, *[_INT] * 4), Weight)

# In Numba a Python number times a float32 is a float64, so the matrices' numbers are float32 too.
_ZERO, _TWO, _FOUR, _FIVE, _EIGHT = np.float32(0), np.float32(2), np.float32(4), np.float32(5), np.float32(8)
_QUARTER, _SIXTH, _TWELFTH, _TWENTYFOURTH = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 12), np.float32(1 / 24)


@jit
def _b_t(d):
    """B^T d."""
    d0, d1, d2, d3, d4, d5 = d
    far, near, outer, inner = d4 - _FOUR * d2, d3 - _FOUR * d1, d4 - d2, _TWO * (d3 - d1)
    last = d5 - _FIVE * d3 + _FOUR * d1
    return _FOUR * d0 - _FIVE * d2 + d4, far + near, far - near, outer + inner, outer - inner, last


@jit
def _a_t(m):
    """A^T m."""
    m0, m1, m2, m3, m4, m5 = m
    near, near_odd, far, far_odd = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + near + far, near_odd + _TWO * far_odd, near + _FOUR * far, near_odd + _EIGHT * far_odd + m5


@jit
def _g(g):
    """G g."""
    g0, g1, g2 = g
    even, odd, far_even, far_odd = _SIXTH * (g0 + g2), _SIXTH * g1, _TWENTYFOURTH * g0 + _SIXTH * g2, _TWELFTH * g1
    return _QUARTER * g0, _ZERO - even - odd, odd - even, far_even + far_odd, far_even - far_odd, g2


@jit(types.UniTuple(_INT, 2)(TILES))
def blocks_and_panels(tiles):
    """Into how many pieces the input and the output channels are cut."""
    return (tiles.C + tiles.depth - 1) // tiles.depth, (tiles.O + COLUMNS - 1) // COLUMNS


@jit(types.UniTuple(_INT, 2)(TILES, _INT))
def tiles_of_group(tiles, group):
    """The first tile of a group, and how many there are."""
    first = tiles.total * group // tiles.groups
    return first, tiles.total * (group + 1) // tiles.groups - first


@jit(_TRIPLE(TILES, _INT))
def tile_corner(tiles, n):
    """Picture, top and left of tile n in the output."""
    down, across = (tiles.P + 3) // 4, (tiles.Q + 3) // 4
    b, rest = n // (down * across), n % (down * across)
    return b, rest // across * 4, rest % across * 4


@jit(MATRIX(_FLOATS, _TRIPLE, *[_INT] * 4, _FLOATS))
def tile_of(x, picture, b, top, left, side, edge):
    """The side x side pixels from (top, left), a matrix with a number for each: its first channel.

    They lie in x, or, if some are outside of the picture or a pixel is no whole number of panels, with zeros in edge;
    what fills up a pixel's last panel there is anything, and comes into no sum.
    """
    H, W, C = picture
    if top >= 0 and left >= 0 and top + side <= H and left + side <= W and C % COLUMNS == 0:
        return Matrix(x, ((b * H + top) * W + left) * C, W * C, C)
    width = (C + COLUMNS - 1) // COLUMNS * COLUMNS
    for i in range(side):
        for j in range(side):
            h, w, start = top + i, left + j, (i * side + j) * width
            if 0 <= h < H and 0 <= w < W:
                copy(x, ((b * H + h) * W + w) * C, edge, start, C)
            else:
                edge[start : start + C] = _ZERO
    return Matrix(edge, 0, side * width, width)


@jit(types.void(TILES, *[_INT] * 3, _FLOATS, _FLOATS))
def transform_inputs(tiles, first, start, stop, values, edge):
    """V = B^T d B of the tiles first + start ... first + stop - 1, the rows start ... stop - 1 of the group.

    Row n of place (i, j) and block b of `depth` channels begins at ((36 b + 6 i + j) room + n) depth.
    """
    half, depth, step = edge[edge.size - 36 * LANES :], tiles.depth, tiles.room * tiles.depth
    for n in range(start, stop):
        b, top, left = tile_corner(tiles, first + n)
        d = tile_of(tiles.x, (tiles.H, tiles.W, tiles.C), b, top + tiles.top, left + tiles.left, 6, edge)
        for c in range(0, tiles.C, LANES):
            for j in range(6):
                column = load_each(d.data, d.start + j * d.column + c, d.row, 6)
                store_each(half, j * LANES, 6 * LANES, _b_t(column))
            target = c // depth * PLACES * step + n * depth + c % depth
            for i in range(6):
                v = _b_t(load_each(half, i * 6 * LANES, LANES, 6))
                store_each(values, target + i * 6 * step, step, v)


@jit(types.void(_WEIGHT, _PAIR, _FLOATS, _FLOATS))
def _transform_weight(weight, shape, taps, values):
    """G g G^T of a panel of outputs and a block of inputs, shape = (inputs, outputs), packed for the register tile."""
    size, half = shape[0] * COLUMNS, taps[taps.size - 18 * LANES :]
    for tap in range(9):
        g = Matrix(weight.data, weight.start + tap * weight.tap, weight.into, weight.out)
        pack(g, shape, taps[tap * size :], 0, shape[0])
    for n in range(0, size, LANES):
        for j in range(3):
            store_each(half, j * LANES, 3 * LANES, _g(load_each(taps, j * size + n, 3 * size, 3)))
        for i in range(6):
            u = _g(load_each(half, i * 3 * LANES, LANES, 3))
            store_each(values, i * 6 * size + n, size, u)


@jit(types.void(_WEIGHT, TILES, _INT, _INT, _FLOATS, _FLOATS))
def _transform_panel(weight, tiles, panel, block, taps, values):
    """The weight of one panel and one block, transformed."""
    start = weight.start + block * tiles.depth * weight.into + panel * COLUMNS * weight.out
    shape = min(tiles.depth, tiles.C - block * tiles.depth), min(COLUMNS, tiles.O - panel * COLUMNS)
    _transform_weight(Weight(weight.data, start, weight.tap, weight.into, weight.out), shape, taps, values)


@parallel_jit
def _transform_all_weights(weight, tiles, weights, taps):
    blocks, panels = blocks_and_panels(tiles)
    threads, tasks, size = taps.shape[0], blocks * panels, PLACES * tiles.depth * COLUMNS
    for thread in prange(threads):
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            own = weights[task * size : (task + 1) * size]
            _transform_panel(weight, tiles, task // blocks, task % blocks, taps[thread], own)


@jit(types.void(TILES, _INT, _INT, *[_FLOATS] * 4))
def _multiply(tiles, block, count, values, weights, zeros, sums):
    """sums (+)= V times the transformed weights of a panel, at all 36 places, for one block of input channels."""
    used, step = min(tiles.depth, tiles.C - block * tiles.depth), tiles.room * tiles.depth
    for place in range(PLACES):
        v = Matrix(values, (block * PLACES + place) * step, tiles.depth, 1)
        end = Matrix(sums, place * tiles.room * COLUMNS, COLUMNS, 1)
        begin = Matrix(zeros, 0, 0, 1) if block == 0 else end
        u = weights[place * used * COLUMNS : (place + 1) * used * COLUMNS]
        multiply_add(v, ONE_TAP, u, begin, end, (count, used, COLUMNS))


@jit(types.void(_FLOATS, TILES, *[_INT] * 3, *[_FLOATS] * 3))
def _transform_outputs(sums, tiles, first, count, panel, bias, y, edge):
    """y = bias + A^T sums A for the tiles first ... first + count - 1 and a panel of outputs."""
    P, Q, O = tiles.P, tiles.Q, tiles.O
    column, step = panel * COLUMNS, tiles.room * COLUMNS
    half, width = edge[edge.size - 36 * LANES :], min(COLUMNS, O - column)
    for n in range(count):
        b, top, left = tile_corner(tiles, first + n)
        inside = top + 4 <= P and left + 4 <= Q and width == COLUMNS
        corner = ((b * P + top) * Q + left) * O + column
        end = Matrix(y, corner, Q * O, O) if inside else Matrix(edge, 0, 4 * COLUMNS, COLUMNS)
        for c in range(0, COLUMNS, LANES):
            for j in range(6):
                m = load_each(sums, j * step + n * COLUMNS + c, 6 * step, 6)
                store_each(half, j * LANES, 6 * LANES, _a_t(m))
            shift = load(bias, column + c)
            for i in range(4):
                y0, y1, y2, y3 = _a_t(load_each(half, i * 6 * LANES, LANES, 6))
                row = y0 + shift, y1 + shift, y2 + shift, y3 + shift
                store_each(end.data, end.start + i * end.row + c, end.column, row)
        if not inside:
            for i in range(min(4, P - top)):
                for j in range(min(4, Q - left)):
                    copy(edge, (i * 4 + j) * COLUMNS, y, corner + (i * Q + j) * O, width)


@parallel_jit
def _narrow(tiles, weights, bias, y, memory):
    """The weights are transformed once, and every thread takes some of the groups."""
    all_values, all_sums, edges, zeros = memory
    threads, size = edges.shape[0], PLACES * tiles.depth * COLUMNS
    blocks, panels = blocks_and_panels(tiles)
    for thread in prange(threads):
        values, sums, edge = all_values[thread], all_sums[thread], edges[thread]
        for group in range(tiles.groups * thread // threads, tiles.groups * (thread + 1) // threads):
            first, count = tiles_of_group(tiles, group)
            transform_inputs(tiles, first, 0, count, values, edge)
            for panel in range(panels):
                for block in range(blocks):
                    own = weights[(panel * blocks + block) * size : (panel * blocks + block + 1) * size]
                    _multiply(tiles, block, count, values, own, zeros, sums)
                _transform_outputs(sums, tiles, first, count, panel, bias, y, edge)


@parallel_jit
def _wide(tiles, weight, weights, taps, bias, y, memory):
    """One group after the other, the threads share its tiles and then its panels, making their weights."""
    all_values, all_sums, edges, zeros = memory
    threads, values = edges.shape[0], all_values[0]
    blocks, panels = blocks_and_panels(tiles)
    for group in range(tiles.groups):
        first, count = tiles_of_group(tiles, group)
        for thread in prange(threads):
            start, stop = count * thread // threads, count * (thread + 1) // threads
            transform_inputs(tiles, first, start, stop, values, edges[thread])
        for thread in prange(threads):
            own, sums, edge = weights[thread], all_sums[thread], edges[thread]
            for panel in range(panels * thread // threads, panels * (thread + 1) // threads):
                for block in range(blocks):
                    _transform_panel(weight, tiles, panel, block, taps[thread], own)
                    _multiply(tiles, block, count, values, own, zeros, sums)
                _transform_outputs(sums, tiles, first, count, panel, bias, y, edge)


def whole(count: int, size: int) -> int:
    return -(-count // size) * size


def edge_room(threads: int, channels: int) -> Array:
    """For each thread room for a tile with its edge, and for one half transformed."""
    return scratch("Winograd edges", threads, PLACES * (whole(channels, COLUMNS) + LANES))


def _convolve(x: Array, weight: Weight, bias: Array | None, y: Array, corner: Pair) -> None:
    """y = bias + the convolution of x; corner is where the first window begins."""
    (B, H, W, C), (_, P, Q, O) = x.shape, y.shape
    depth, threads, wide = min(DEPTH, whole(C, COLUMNS)), get_num_threads(), PLACES * C * O > WIDE
    total = B * -(-P // 4) * -(-Q // 4)
    groups = max(1, -(-total // WIDE_GROUP)) if wide else _shared_groups(total, threads)
    room = -(-total // groups) + 1
    tiles = Tiles(x.reshape(-1), H, W, C, P, Q, O, *corner, total, groups, room, depth)
    blocks, panels = -(-C // depth), -(-O // COLUMNS)
    row = np.zeros(panels * COLUMNS, np.float32)
    if bias is not None:
        row[:O] = bias
    taps = scratch("Winograd taps", threads, 9 * depth * COLUMNS + 18 * LANES)
    memory = Memory(
        scratch("Winograd inputs", 1 if wide else threads, blocks * PLACES * room * depth),
        scratch("Winograd sums", threads, PLACES * room * COLUMNS),
        edge_room(threads, max(C, O)),
        np.zeros(COLUMNS, np.float32),
    )
    if wide:
        weights = scratch("Winograd weights", threads, PLACES * depth * COLUMNS)
        _wide(tiles, weight, weights, taps, row, y.reshape(-1), memory)
    else:
        weights = scratch("Winograd weights", panels * blocks * PLACES * depth * COLUMNS)
        _transform_all_weights(weight, tiles, weights, taps)
        _narrow(tiles, weights, row, y.reshape(-1), memory)


def _shared_groups(tiles: int, threads: int) -> int:
    """As many groups for every thread, if none becomes smaller than the register tile."""
    groups = max(1, -(-tiles // GROUP))
    return max(groups, min(whole(groups, threads), tiles // ROWS))


def forward(x: Array, weight: Array, bias: Array | None, y: Array, padding: Sides) -> None:
    """y = bias + the convolution of x with weight (3, 3, C, O)."""
    numbers, (tap, into, out) = _flat(weight)
    _convolve(x, Weight(numbers, 0, tap, into, out), bias, y, (-padding[0][0], -padding[1][0]))


def input_gradient(grad_y: Array, weight: Array, bias: Array | None, grad_x: Array, padding: Sides) -> None:
    """grad_x = bias + a convolution of grad_y with the weight turned by 180 degrees and its channels exchanged."""
    numbers, (tap, into, out) = _flat(weight)
    turned = Weight(numbers, 8 * tap, -tap, out, into)
    _convolve(grad_y, turned, bias, grad_x, (padding[0][0] - 2, padding[1][0] - 2))


def _flat(weight: Array) -> tuple[Array, tuple[int, int, int]]:
    """The weight as one axis, and how far apart taps, input channels and output channels lie there."""
    numbers, (row, tap, into, out) = flat(weight)
    if row == 3 * tap:
        return numbers, (tap, into, out)
    return _flat(contiguous(weight))
