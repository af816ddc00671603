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

import numpy as np
from numba import get_num_threads, prange, types

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.compiling import contiguous, flat, jit, parallel_jit
from minisd_kernels.register_tile import COLUMNS, ONE_TAP, ROWS, copy, multiply_add, pack
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


def forward_plain(x: Array, weight: Array, padding: Sides) -> Array:
    """Convolve x (B, H, W, C) with weight (3, 3, C, O), tile by tile.

    >>> x, weight = np.ones((1, 2, 6, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    >>> forward_plain(x, weight, ((1, 1), (1, 1)))[0, :, :, 0].round(3).tolist()
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

# Signatures are given where a caller's literal numbers would each compile a version of their own.
_FLOATS, _INT, _INTS = types.float32[::1], types.int64, types.int64[::1]
_PAIR, _TRIPLE = types.UniTuple(types.int64, 2), types.UniTuple(types.int64, 3)

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


@jit
def tile_corner(n, shape):
    """Picture, top and left of tile n of pictures of `shape`."""
    down, across = (shape[0] + 3) // 4, (shape[1] + 3) // 4
    b, rest = n // (down * across), n % (down * across)
    return b, rest // across * 4, rest % across * 4


@jit(types.Tuple((_FLOATS, _INT, _INT, _INT))(_FLOATS, _TRIPLE, *[_INT] * 4, _FLOATS))
def tile_of(x, shape, b, top, left, side, edge):
    """Where the side x side pixels from (top, left) lie: array, start, and the steps to the next row and pixel.

    They lie in x, or, if some are outside of the picture or a pixel is no whole number of panels, with zeros in edge.
    """
    H, W, C = shape
    if top >= 0 and left >= 0 and top + side <= H and left + side <= W and C % COLUMNS == 0:
        return x, ((b * H + top) * W + left) * C, W * C, C
    width = (C + COLUMNS - 1) // COLUMNS * COLUMNS
    for i in range(side):
        for j in range(side):
            h, w, start = top + i, left + j, (i * side + j) * width
            if 0 <= h < H and 0 <= w < W:
                copy(x, ((b * H + h) * W + w) * C, edge, start, C)
                edge[start + C : start + width] = _ZERO
            else:
                edge[start : start + width] = _ZERO
    return edge, 0, side * width, width


@jit(types.void(_FLOATS, _TRIPLE, _TRIPLE, _PAIR, *[_INT] * 5, _FLOATS, _FLOATS))
def transform_inputs(x, shape, size, corner, first, start, stop, depth, step, values, edge):
    """V = B^T d B of the tiles first + start ... first + stop - 1, the rows start ... stop - 1 of the group.

    Row n of place (i, j) and block b of `depth` channels begins at ((36 b + 6 i + j) step + n) depth.
    """
    half = edge[edge.size - 36 * LANES :]
    for n in range(start, stop):
        b, top, left = tile_corner(first + n, size)
        source, begin, row, pixel = tile_of(x, shape, b, top + corner[0], left + corner[1], 6, edge)
        for c in range(0, shape[2], LANES):
            for j in range(6):
                store_each(half, j * LANES, 6 * LANES, _b_t(load_each(source, begin + j * pixel + c, row, 6)))
            target = (c // depth * PLACES * step + n) * depth + c % depth
            for i in range(6):
                v = _b_t(load_each(half, i * 6 * LANES, LANES, 6))
                store_each(values, target + i * 6 * step * depth, step * depth, v)


@jit(types.void(_FLOATS, _INT, _TRIPLE, _INT, _INT, _FLOATS, _FLOATS, _INT))
def _transform_weights(weight, start, steps, depth, columns, taps, values, values_start):
    """G g G^T of a panel of `columns` outputs and a block of `depth` inputs, packed for the register tile."""
    tap_step, in_step, out_step = steps
    size, half = depth * COLUMNS, taps[taps.size - 18 * LANES :]
    for tap in range(9):
        pack(weight, start + tap * tap_step, in_step, out_step, depth, columns, taps[tap * size :], 0, depth)
    for n in range(0, size, LANES):
        for j in range(3):
            store_each(half, j * LANES, 3 * LANES, _g(load_each(taps, j * size + n, 3 * size, 3)))
        for i in range(6):
            g = _g(load_each(half, i * 3 * LANES, LANES, 3))
            store_each(values, values_start + i * 6 * size + n, size, g)


@jit(types.void(_FLOATS, _INT, _TRIPLE, _INT, _INT, _INT, _FLOATS, _FLOATS, _FLOATS))
def _transform_outputs(sums, step, shape, first, count, column, bias, y, edge):
    """y = bias + A^T sums A for the tiles first ... first + count - 1 and the panel that begins at `column`."""
    H, W, O = shape
    half, width = edge[edge.size - 36 * LANES :], min(COLUMNS, O - column)
    for n in range(count):
        b, top, left = tile_corner(first + n, shape)
        inside = top + 4 <= H and left + 4 <= W and width == COLUMNS
        corner = ((b * H + top) * W + left) * O + column
        target, begin, row, pixel = (y, corner, W * O, O) if inside else (edge, 0, 4 * COLUMNS, COLUMNS)
        for c in range(0, COLUMNS, LANES):
            for j in range(6):
                m = load_each(sums, (j * step + n) * COLUMNS + c, 6 * step * COLUMNS, 6)
                store_each(half, j * LANES, 6 * LANES, _a_t(m))
            shift = load(bias, column + c)
            for i in range(4):
                y0, y1, y2, y3 = _a_t(load_each(half, i * 6 * LANES, LANES, 6))
                store_each(target, begin + i * row + c, pixel, (y0 + shift, y1 + shift, y2 + shift, y3 + shift))
        if not inside:
            for i in range(min(4, H - top)):
                for j in range(min(4, W - left)):
                    copy(edge, (i * 4 + j) * COLUMNS, y, corner + (i * W + j) * O, width)


@jit(types.void(_FLOATS, _INT, _TRIPLE, *[_INT] * 5, _FLOATS, _FLOATS, _INT))
def _transform_panel(weight, start, steps, C, O, depth, panel, block, taps, values, values_start):
    """The weights of one panel and one block, transformed."""
    used = min(depth, C - block * depth)
    corner = start + block * depth * steps[1] + panel * COLUMNS * steps[2]
    _transform_weights(weight, corner, steps, used, min(COLUMNS, O - panel * COLUMNS), taps, values, values_start)


@parallel_jit
def _transform_all_weights(weight, start, steps, C, O, depth, weights, taps):
    blocks, panels = (C + depth - 1) // depth, (O + COLUMNS - 1) // COLUMNS
    threads, tasks = taps.shape[0], blocks * panels
    for thread in prange(threads):
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            panel, block, at = task // blocks, task % blocks, task * PLACES * depth * COLUMNS
            _transform_panel(weight, start, steps, C, O, depth, panel, block, taps[thread], weights, at)


@jit(types.void(_FLOATS, *[_INT] * 5, _FLOATS, _INT, _INTS, _FLOATS, _FLOATS))
def _multiply(values, block, depth, used, step, count, weights, start, one_tap, zeros, sums):
    """sums (+)= V times the transformed weights of a panel, at all 36 places, for one block of input channels."""
    for place in range(PLACES):
        a, c = (block * PLACES + place) * step * depth, place * step * COLUMNS
        b = weights[start + place * used * COLUMNS : start + (place + 1) * used * COLUMNS]
        begin, i, row = (zeros, 0, 0) if block == 0 else (sums, c, COLUMNS)
        multiply_add(values, a, depth, one_tap, 1, used, count, b, COLUMNS, begin, i, row, sums, c, COLUMNS)


@parallel_jit
def _narrow(
    x, x_shape, corner, depth, step, weights, one_tap, shape, bias, y, tiles, groups, values, sums, zeros, edges
):
    """The weights are transformed once, and every thread takes some of the groups."""
    C, O, threads = x_shape[2], shape[2], edges.shape[0]
    blocks, panels = (C + depth - 1) // depth, (O + COLUMNS - 1) // COLUMNS
    for thread in prange(threads):
        v, m, edge = values[thread], sums[thread], edges[thread]
        for group in range(groups * thread // threads, groups * (thread + 1) // threads):
            first = tiles * group // groups
            count = tiles * (group + 1) // groups - first
            transform_inputs(x, x_shape, shape, corner, first, 0, count, depth, step, v, edge)
            for panel in range(panels):
                for block in range(blocks):
                    used, at = min(depth, C - block * depth), (panel * blocks + block) * PLACES * depth * COLUMNS
                    _multiply(v, block, depth, used, step, count, weights, at, one_tap, zeros, m)
                _transform_outputs(m, step, shape, first, count, panel * COLUMNS, bias, y, edge)


@parallel_jit
def _wide(
    x, x_shape, corner, depth, step, weight, weight_start, steps, weights, taps, one_tap, shape, bias, y, tiles,
    groups, values, sums, zeros, edges,
):  # fmt: skip
    """One group after the other, the threads share its tiles and then its panels, making their weights."""
    C, O, threads = x_shape[2], shape[2], edges.shape[0]
    blocks, panels = (C + depth - 1) // depth, (O + COLUMNS - 1) // COLUMNS
    for group in range(groups):
        first = tiles * group // groups
        count = tiles * (group + 1) // groups - first
        for thread in prange(threads):
            start, stop = count * thread // threads, count * (thread + 1) // threads
            transform_inputs(x, x_shape, shape, corner, first, start, stop, depth, step, values, edges[thread])
        for thread in prange(threads):
            own, m = weights[thread], sums[thread]
            for panel in range(panels * thread // threads, panels * (thread + 1) // threads):
                for block in range(blocks):
                    used = min(depth, C - block * depth)
                    _transform_panel(
                        weight, weight_start, steps, C, O, depth, panel, block, taps[thread], own, 0
                    )  # fmt: skip
                    _multiply(values, block, depth, used, step, count, own, 0, one_tap, zeros, m)
                _transform_outputs(m, step, shape, first, count, panel * COLUMNS, bias, y, edges[thread])


def whole(count: int, size: int) -> int:
    return -(-count // size) * size


def edge_room(threads: int, channels: int) -> Array:
    """For each thread room for a tile with its edge, and for one half transformed."""
    return scratch("Winograd edges", threads, PLACES * (whole(channels, COLUMNS) + LANES))


def _convolve(
    x: Array, weight: Array, start: int, steps: tuple[int, int, int], bias: Array | None, y: Array, corner: Pair
) -> None:
    """y = bias + the convolution of x with a flat weight: tap_step, in_step and out_step apart from `start`.

    corner is where the first window begins.
    """
    (B, H, W, C), (_, OH, OW, O) = x.shape, y.shape
    depth = min(DEPTH, whole(C, COLUMNS))
    blocks, panels, threads = -(-C // depth), -(-O // COLUMNS), get_num_threads()
    wide = PLACES * C * O > WIDE
    tiles = B * -(-OH // 4) * -(-OW // 4)
    groups = max(1, -(-tiles // WIDE_GROUP)) if wide else _shared_groups(tiles, threads)
    step = -(-tiles // groups) + 1
    block_size = PLACES * depth * COLUMNS
    row = np.zeros(panels * COLUMNS, np.float32)
    if bias is not None:
        row[:O] = bias
    taps = scratch("Winograd taps", threads, 9 * depth * COLUMNS + 18 * LANES)
    sums = scratch("Winograd sums", threads, PLACES * step * COLUMNS)
    zeros, edges, picture = np.zeros(COLUMNS, np.float32), edge_room(threads, max(C, O)), (x.reshape(-1), (H, W, C))
    if wide:
        weights = scratch("Winograd weights", threads, block_size)
        values = scratch("Winograd inputs", blocks * PLACES * step * depth)
        _wide(
            *(*picture, corner, depth, step, weight, start, steps, weights, taps, ONE_TAP, (OH, OW, O), row),
            *(y.reshape(-1), tiles, groups, values, sums, zeros, edges),
        )
    else:
        weights = scratch("Winograd weights", panels * blocks * block_size)
        values = scratch("Winograd inputs", threads, blocks * PLACES * step * depth)
        _transform_all_weights(weight, start, steps, C, O, depth, weights, taps)
        _narrow(
            *(*picture, corner, depth, step, weights, ONE_TAP, (OH, OW, O), row),
            *(y.reshape(-1), tiles, groups, values, sums, zeros, edges),
        )


def _shared_groups(tiles: int, threads: int) -> int:
    """As many groups for every thread, if none becomes smaller than the register tile."""
    groups = max(1, -(-tiles // GROUP))
    return max(groups, min(whole(groups, threads), tiles // ROWS))


def forward(x: Array, weight: Array, bias: Array | None, y: Array, padding: Sides) -> None:
    """y = bias + the convolution of x with weight (3, 3, C, O)."""
    numbers, (tap, into, out) = _flat(weight)
    _convolve(x, numbers, 0, (tap, into, out), bias, y, (-padding[0][0], -padding[1][0]))


def input_gradient(grad_y: Array, weight: Array, bias: Array | None, grad_x: Array, padding: Sides) -> None:
    """grad_x = bias + a convolution of grad_y with the weight turned by 180 degrees and its channels exchanged."""
    numbers, (tap, into, out) = _flat(weight)
    _convolve(grad_y, numbers, 8 * tap, (-tap, out, into), bias, grad_x, (padding[0][0] - 2, padding[1][0] - 2))


def _flat(weight: Array) -> tuple[Array, tuple[int, int, int]]:
    """The weight as one axis, and how far apart taps, input channels and output channels lie there."""
    numbers, (row, tap, into, out) = flat(weight)
    if row == 3 * tap:
        return numbers, (tap, into, out)
    return _flat(contiguous(weight))
