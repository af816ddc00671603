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

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import prange

from minisd_kernels.arguments import Pair
from minisd_kernels.compiling import CHUNKS, jit, parallel_jit
from minisd_kernels.register_tile import COLUMNS, HALF_ROWS, LANES, copy, multiply_add, pack

Array = npt.NDArray[Any]

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


def forward_plain(x: Array, weight: Array, padding: Pair) -> Array:
    """Convolve x (B, H, W, C) with weight (3, 3, C, O), tile by tile.

    >>> x, weight = np.ones((1, 2, 6, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
    >>> forward_plain(x, weight, (1, 1))[0, :, :, 0].round(3).tolist()
    [[4.0, 6.0, 6.0, 6.0, 6.0, 4.0], [4.0, 6.0, 6.0, 6.0, 6.0, 4.0]]
    """
    (B, H, W, _), (P, Q) = x.shape, padding
    OH, OW = H + 2 * P - 2, W + 2 * Q - 2
    down, right = -OH % 4, -OW % 4  # the last tiles reach over the edge
    x_padded = np.pad(x, ((0, 0), (P, P + down), (Q, Q + right), (0, 0)))
    y = np.empty((B, OH + down, OW + right, weight.shape[3]), x.dtype)
    g = np.einsum("ui,ijco,vj->uvco", G, weight, G)
    for top in range(0, OH, 4):
        for left in range(0, OW, 4):
            d = np.einsum("uh,bhwc,vw->buvc", B_T, x_padded[:, top : top + 6, left : left + 6], B_T)
            products = np.einsum("buvc,uvco->buvo", d, g)
            y[:, top : top + 4, left : left + 4] = np.einsum("pu,buvo,qv->bpqo", A_T, products, A_T)
    return y[:, :OH, :OW]


# The fast version. All tiles of _GROUP are transformed first, then each panel of COLUMNS output channels goes through
# alone: transform its weights, 36 products in the register tile, transform back. The weights are four times larger
# once transformed, so they are made for _DEPTH input channels at a time, used while they are in the cache and
# forgotten. Every transform is two passes, one matrix each, over arrays whose last axis is channels.

_DEPTH = 64  # input channels at a time
_GROUP = 168  # tiles at a time, a multiple of every tile height: 36 x _GROUP sums of a panel stay in the L2 cache
_PLACES = 36
# Numbers from one of the 36 places to the next. A power of two would put all of them into the same lines of the cache.
_PANEL = _DEPTH * COLUMNS + LANES
_INPUTS = (_GROUP + 1) * _DEPTH
_SUMS = (_GROUP + 1) * COLUMNS

# In Numba a Python number times a float32 is a float64, so the matrices' numbers are float32 too.
_TWO, _FOUR, _FIVE, _EIGHT = np.float32(2), np.float32(4), np.float32(5), np.float32(8)
_QUARTER, _SIXTH, _TWELFTH, _TWENTYFOURTH = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 12), np.float32(1 / 24)


@jit
def _transform_input(x, geometry, tile, channel, width, d, half, values, start):
    """values[place, start ...] = B^T d B for `width` channels of one tile; zeros for a tile after the last."""
    B, H, W, C, OH, OW, ph, pw = geometry
    across, down = (OW + 3) // 4, (OH + 3) // 4
    b, rest = tile // (down * across), tile % (down * across)
    top, left = rest // across * 4 - ph, rest % across * 4 - pw
    for i in range(6):
        for j in range(6):
            h, w, place = top + i, left + j, (i * 6 + j) * _DEPTH
            if b < B and 0 <= h < H and 0 <= w < W:
                copy(x, ((b * H + h) * W + w) * C + channel, d, place, width)
            else:
                d[place : place + _DEPTH] = np.float32(0)
    row = 6 * _DEPTH
    for n in range(row):
        d0, d1, d2, d3, d4, d5 = (
            d[n], d[n + row], d[n + 2 * row], d[n + 3 * row], d[n + 4 * row], d[n + 5 * row]
        )  # fmt: skip
        half[n] = _FOUR * d0 - _FIVE * d2 + d4
        half[n + row] = d3 + d4 - _FOUR * (d1 + d2)
        half[n + 2 * row] = d4 - d3 + _FOUR * (d1 - d2)
        half[n + 3 * row] = d4 - d2 + _TWO * (d3 - d1)
        half[n + 4 * row] = d4 - d2 - _TWO * (d3 - d1)
        half[n + 5 * row] = _FOUR * d1 - _FIVE * d3 + d5
    for i in range(6):
        source, target = half[i * row : (i + 1) * row], values[start + i * 6 * _INPUTS :]
        for n in range(_DEPTH):
            d0, d1, d2 = source[n], source[n + _DEPTH], source[n + 2 * _DEPTH]
            d3, d4, d5 = source[n + 3 * _DEPTH], source[n + 4 * _DEPTH], source[n + 5 * _DEPTH]
            target[n] = _FOUR * d0 - _FIVE * d2 + d4
            target[n + _INPUTS] = d3 + d4 - _FOUR * (d1 + d2)
            target[n + 2 * _INPUTS] = d4 - d3 + _FOUR * (d1 - d2)
            target[n + 3 * _INPUTS] = d4 - d2 + _TWO * (d3 - d1)
            target[n + 4 * _INPUTS] = d4 - d2 - _TWO * (d3 - d1)
            target[n + 5 * _INPUTS] = _FOUR * d1 - _FIVE * d3 + d5


@jit
def _transform_weight(weight, start, steps, depth, columns, g, half, values):
    """values[place] = G g G^T for one panel of `columns` output channels and `depth` input channels."""
    tap_step, in_step, out_step = steps
    for tap in range(9):
        pack(weight, start + tap * tap_step, in_step, out_step, depth, columns, g[tap * _PANEL : (tap + 1) * _PANEL])
    row = 3 * _PANEL
    for n in range(row):
        g0, g1, g2 = g[n], g[n + row], g[n + 2 * row]
        even, far_even = _SIXTH * (g0 + g2), _TWENTYFOURTH * g0 + _SIXTH * g2
        half[n] = _QUARTER * g0
        half[n + row] = -even - _SIXTH * g1
        half[n + 2 * row] = _SIXTH * g1 - even
        half[n + 3 * row] = far_even + _TWELFTH * g1
        half[n + 4 * row] = far_even - _TWELFTH * g1
        half[n + 5 * row] = g2
    for i in range(6):
        source, target = half[i * row : (i + 1) * row], values[i * 6 * _PANEL : (i + 1) * 6 * _PANEL]
        for n in range(_PANEL):
            g0, g1, g2 = source[n], source[n + _PANEL], source[n + 2 * _PANEL]
            even, far_even = _SIXTH * (g0 + g2), _TWENTYFOURTH * g0 + _SIXTH * g2
            target[n] = _QUARTER * g0
            target[n + _PANEL] = -even - _SIXTH * g1
            target[n + 2 * _PANEL] = _SIXTH * g1 - even
            target[n + 3 * _PANEL] = far_even + _TWELFTH * g1
            target[n + 4 * _PANEL] = far_even - _TWELFTH * g1
            target[n + 5 * _PANEL] = g2


@jit
def _transform_output(products, n, half, out, geometry, tile, channel, width, O, y):
    """y += A^T products A for the group's tile n, as far as it lies inside y."""
    OH, OW = geometry[4], geometry[5]
    across, down = (OW + 3) // 4, (OH + 3) // 4
    b, rest = tile // (down * across), tile % (down * across)
    top, left = rest // across * 4, rest % across * 4
    row = 6 * COLUMNS
    for j in range(6):
        source, target = products[j * _SUMS + n * COLUMNS :], half[j * COLUMNS :]
        for o in range(COLUMNS):
            m0, m1, m2 = source[o], source[o + 6 * _SUMS], source[o + 12 * _SUMS]
            m3, m4, m5 = source[o + 18 * _SUMS], source[o + 24 * _SUMS], source[o + 30 * _SUMS]
            target[o] = m0 + (m1 + m2) + (m3 + m4)
            target[o + row] = (m1 - m2) + _TWO * (m3 - m4)
            target[o + 2 * row] = (m1 + m2) + _FOUR * (m3 + m4)
            target[o + 3 * row] = (m1 - m2) + _EIGHT * (m3 - m4) + m5
    for i in range(min(4, OH - top)):
        source = half[i * row : (i + 1) * row]
        for o in range(COLUMNS):
            m0, m1, m2 = source[o], source[o + COLUMNS], source[o + 2 * COLUMNS]
            m3, m4, m5 = source[o + 3 * COLUMNS], source[o + 4 * COLUMNS], source[o + 5 * COLUMNS]
            out[o] = m0 + (m1 + m2) + (m3 + m4)
            out[o + COLUMNS] = (m1 - m2) + _TWO * (m3 - m4)
            out[o + 2 * COLUMNS] = (m1 + m2) + _FOUR * (m3 + m4)
            out[o + 3 * COLUMNS] = (m1 - m2) + _EIGHT * (m3 - m4) + m5
        for j in range(min(4, OW - left)):
            pixel = ((b * OH + top + i) * OW + left + j) * O + channel
            target, source_j = y[pixel : pixel + width], out[j * COLUMNS : j * COLUMNS + width]
            for o in range(width):
                target[o] += source_j[o]


@jit
def _inputs(x, geometry, first, count, start, stop, inputs, scratch):
    """Transform the tiles first + start ... first + stop - 1 of a group of `count`, the group filled up with zeros."""
    B, C, OH, OW = geometry[0], geometry[3], geometry[4], geometry[5]
    tiles = B * ((OH + 3) // 4) * ((OW + 3) // 4)
    d, half = scratch[: _PLACES * _DEPTH], scratch[_PLACES * _DEPTH :]
    for n in range(start, stop):
        tile = first + n if n < count else tiles
        for block in range((C + _DEPTH - 1) // _DEPTH):
            channel, target = block * _DEPTH, (block * _PLACES * _INPUTS) + n * _DEPTH
            _transform_input(x, geometry, tile, channel, min(_DEPTH, C - channel), d, half, inputs, target)


@jit
def _panels(inputs, geometry, first, count, weight, weight_start, steps, O, start, stop, y, sums, scratch):
    """The panels start ... stop - 1 of the outputs of a group."""
    C = geometry[3]
    g, half, values = scratch[: 9 * _PANEL], scratch[9 * _PANEL : 27 * _PANEL], scratch[27 * _PANEL :]
    rows = _filled_up(count)
    for panel in range(start, stop):
        column = panel * COLUMNS
        columns = min(COLUMNS, O - column)
        for place in range(_PLACES):
            sums[place * _SUMS : place * _SUMS + rows * COLUMNS] = np.float32(0)
        for block in range((C + _DEPTH - 1) // _DEPTH):
            depth = min(_DEPTH, C - block * _DEPTH)
            corner = weight_start + block * _DEPTH * steps[1] + column * steps[2]
            _transform_weight(weight, corner, steps, depth, columns, g, half, values)
            for place in range(_PLACES):
                a, b = (block * _PLACES + place) * _INPUTS, values[place * _PANEL : (place + 1) * _PANEL]
                multiply_add(inputs, a, _DEPTH, 1, rows, b, depth, COLUMNS, sums, place * _SUMS, COLUMNS)
        for n in range(count):
            _transform_output(sums, n, half, g, geometry, first + n, column, columns, O, y)


@jit
def _filled_up(count):
    """The next multiple of the smaller tile height: single rows are slow."""
    return (count + HALF_ROWS - 1) // HALF_ROWS * HALF_ROWS


@parallel_jit
def _share_groups(x, geometry, weight, weight_start, steps, O, y, tiles, groups, inputs, sums, scratch):
    """Many groups: every thread takes some of them."""
    panels = (O + COLUMNS - 1) // COLUMNS
    for chunk in prange(CHUNKS):
        for group in range(groups * chunk // CHUNKS, groups * (chunk + 1) // CHUNKS):
            first = tiles * group // groups
            count = tiles * (group + 1) // groups - first
            v, m, s = inputs[chunk], sums[chunk], scratch[chunk]
            _inputs(x, geometry, first, count, 0, _filled_up(count), v, s)
            _panels(v, geometry, first, count, weight, weight_start, steps, O, 0, panels, y, m, s)


@parallel_jit
def _share_panels(x, geometry, weight, weight_start, steps, O, y, tiles, groups, inputs, sums, scratch):
    """Few groups: one after the other, the threads share its tiles and then its panels."""
    panels, v = (O + COLUMNS - 1) // COLUMNS, inputs[0]
    for group in range(groups):
        first = tiles * group // groups
        count = tiles * (group + 1) // groups - first
        rows = _filled_up(count)
        for chunk in prange(CHUNKS):
            start, stop = rows * chunk // CHUNKS, rows * (chunk + 1) // CHUNKS
            _inputs(x, geometry, first, count, start, stop, v, scratch[chunk])
        for chunk in prange(CHUNKS):
            start, stop = panels * chunk // CHUNKS, panels * (chunk + 1) // CHUNKS
            _panels(
                v, geometry, first, count, weight, weight_start, steps, O, start, stop, y, sums[chunk], scratch[chunk]
            )


def _run(x: Array, weight: Array, steps: tuple[int, int, int, int], y: Array, padding: Pair) -> None:
    (B, H, W, C), (_, OH, OW, O) = x.shape, y.shape
    tiles = B * -(-OH // 4) * -(-OW // 4)
    groups = -(-tiles // _GROUP)
    share, copies = (_share_groups, CHUNKS) if groups >= CHUNKS else (_share_panels, 1)
    inputs = np.empty((copies, -(-C // _DEPTH) * _PLACES * _INPUTS), np.float32)
    sums = np.empty((CHUNKS, _PLACES * _SUMS), np.float32)
    scratch = np.empty((CHUNKS, (27 + _PLACES) * _PANEL), np.float32)
    numbers = (x.reshape(-1), (B, H, W, C, OH, OW, *padding), weight.reshape(-1), steps[0], steps[1:], O, y.reshape(-1))
    share(*numbers, tiles, groups, inputs, sums, scratch)


def forward(x: Array, weight: Array, y: Array, padding: Pair) -> None:
    """y += the convolution of x with weight (3, 3, C, O)."""
    C, O = weight.shape[2:]
    _run(x, weight, (0, C * O, O, 1), y, padding)


def input_gradient(grad: Array, weight: Array, grad_x: Array, padding: Pair) -> None:
    """grad_x += a convolution too: of grad, with the weight turned by 180 degrees and its channels exchanged."""
    C, O = weight.shape[2:]
    _run(grad, weight, (8 * C * O, -C * O, 1, O), grad_x, (2 - padding[0], 2 - padding[1]))
