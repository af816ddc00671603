"""The convolution as matrix products, without the matrix of windows.

Laid out in rows, the windows of all output pixels are a matrix kh kw times larger than the picture (im2col). It need
not exist. Row i of a window is kw C numbers in one piece of a padded picture, and the windows of neighbouring pixels
begin stride C numbers apart: the register tile can read the matrix where the picture lies, a piece for each row i.

    forward          y (pixels x O)  = bias + windows (pixels x kh kw C) times weight (kh kw C x O)
    weight gradient  (kh kw C x O)   = windows^T times grad_y (pixels x O)
    input gradient   a convolution of grad_y; with stride s, one for each of the s_h s_w places h mod s_h, w mod s_w

The picture is padded band by band: so many rows that they and a panel of the weights stay in the L2 cache.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numba import get_num_threads, prange, types

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.compiling import CHUNKS, bias_or_zeros, flat, jit, parallel_jit
from minisd_kernels.register_tile import COLUMNS, add_rows, copy, multiply_add, pack, packed_size
from minisd_kernels.scratch import scratch

_BAND = 1 << 16  # numbers in a band
_PIXELS = 256  # of small pictures whose products are added at once: the sums are read and written so much less often
_FLOATS = types.float32[::1]


@jit(types.void(_FLOATS, types.UniTuple(types.int64, 3), *[types.int64] * 5, _FLOATS))
def _read_band(x, picture, b, top, left, rows, width, band):
    """band = rows top ... top + rows - 1, columns left ... left + width - 1 of picture b, zeros outside of it."""
    H, W, C = picture
    first, last = max(0, -left), max(0, min(width, W - left))
    for r in range(rows):
        h, start = top + r, r * width * C
        if 0 <= h < H and first < last:
            band[start : start + first * C] = np.float32(0)
            copy(x, ((b * H + h) * W + left + first) * C, band, start + first * C, (last - first) * C)
            band[start + last * C : start + width * C] = np.float32(0)
        else:
            band[start : start + width * C] = np.float32(0)


@parallel_jit
def _forward(x, picture, B, corner, stride, reach, size, taps, depth, packed, O, bias, y, places, rows, parts, bands):
    """y at the places (start, picture, row, pixel) = bias + the windows, `reach` high and wide, times the weights."""
    OH, OW = size
    y_start, y_picture, y_row, y_pixel = places
    C, width = picture[2], (OW - 1) * stride[1] + reach[1]
    panel_size, panels = taps.size * depth * COLUMNS, (O + COLUMNS - 1) // COLUMNS
    bands_of_picture = (OH + rows - 1) // rows
    tasks, threads = B * bands_of_picture * parts, bands.shape[0]
    for thread in prange(threads):
        band = bands[thread]
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            unit, part = task // parts, task % parts
            b, first = unit // bands_of_picture, unit % bands_of_picture * rows
            count = min(rows, OH - first)
            top, high = first * stride[0] + corner[0], (count - 1) * stride[0] + reach[0]
            _read_band(x, picture, b, top, corner[1], high, width, band)
            for panel in range(panels * part // parts, panels * (part + 1) // parts):
                column = panel * COLUMNS
                weights = packed[panel * panel_size : (panel + 1) * panel_size]
                for p in range(count):
                    start, end = p * stride[0] * width * C, y_start + b * y_picture + (first + p) * y_row + column
                    multiply_add(
                        *(band, start, stride[1] * C, taps, 1, depth, OW, weights, min(COLUMNS, O - column)),
                        *(bias, column, 0, y, end, y_pixel),
                    )


@parallel_jit
def _weight_gradient(
    grad_y, x, picture, B, corner, stride, dilation, reach, size, window, runs, O, pictures, rows, taps,
    sums, bias_sums, bands, packs,
):  # fmt: skip
    """sums += windows^T grad_y, a few rows of one picture at a time, or a few whole pictures."""
    OH, OW = size
    C, width = picture[2], (OW - 1) * stride[1] + reach[1]
    run_width = window[1] // runs * C  # a row of the window is one run of numbers, or with dilation kw of them
    bands_of_picture = (OH + rows - 1) // rows
    units, panels = (B + pictures - 1) // pictures * bands_of_picture, (O + COLUMNS - 1) // COLUMNS
    threads, parts = bands.shape[0], sums.shape[0]
    for thread in prange(threads):
        band, packed = bands[thread], packs[thread]
        # With one sum the threads share its panels, else the sums.
        first_part, last_part = (0, 1) if parts == 1 else (parts * thread // threads, parts * (thread + 1) // threads)
        first_panel, last_panel = (
            (panels * thread // threads, panels * (thread + 1) // threads) if parts == 1 else (0, panels)
        )
        column, columns = first_panel * COLUMNS, min(O, last_panel * COLUMNS) - first_panel * COLUMNS
        for part in range(first_part, last_part if columns > 0 else first_part):
            total, bias_total = sums[part], bias_sums[part]
            for unit in range(units * part // parts, units * (part + 1) // parts):
                b, first = unit // bands_of_picture * pictures, unit % bands_of_picture * rows
                more, count = min(pictures, B - b), min(rows, OH - first)
                top, high = first * stride[0] + corner[0], (count - 1) * stride[0] + reach[0]
                for n in range(more):
                    _read_band(x, picture, b + n, top, corner[1], high, width, band[n * high * width * C :])
                start, pixels = (b * OH + first) * OW * O + column, more * count * OW
                add_rows(grad_y, start, pixels, columns, O, bias_total[column:])
                pack(grad_y, start, O, 1, pixels, columns, packed, 0, pixels)
                for i in range(window[0]):
                    for run in range(runs):
                        a = (i * dilation[0] * width + run * dilation[1]) * C
                        c = (i * runs + run) * run_width * O + column
                        multiply_add(
                            *(band, a, 1, taps[: more * count], stride[1] * C, OW, run_width, packed, columns),
                            *(total, c, O, total, c, O),
                        )


def _runs(window: Pair, dilation: Pair) -> int:
    """Pieces that a row of the window lies in: one, or with dilation one for each of its taps."""
    return window[1] if dilation[1] > 1 else 1


def _band_rows(rows: int, width: int, C: int, stride: int, reach: int) -> int:
    """Output rows whose input rows fill a band, at least one."""
    return max(1, min(rows, (_BAND // (width * C) - reach) // stride + 1))


def _convolve(
    x: Array,
    picture: tuple[int, ...],
    weight: Array,
    steps: tuple[int, ...],
    start: int,
    window: Pair,
    geometry: tuple[Pair, Pair, Pair, Pair],
    bias: Array,
    y: Array,
    places: tuple[int, ...],
) -> None:
    """Write the convolution of flat x with window x C x O weights, found `steps` apart from `start`, to flat y.

    geometry is the first window's corner, stride, dilation and the output's size.
    """
    B, H, W, C = picture
    corner, stride, dilation, size = geometry
    O, runs = bias.size, _runs(window, dilation)
    reach = ((window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1)
    width = (size[1] - 1) * stride[1] + reach[1]
    taps = np.array(
        [(i * dilation[0] * width + run * dilation[1]) * C for i in range(window[0]) for run in range(runs)], np.int64
    )
    total = window[0] * window[1] * C
    packed = scratch("packed weights", packed_size(total, O))
    for i in range(window[0]):
        for j in range(window[1]):
            tap = start + i * steps[0] + j * steps[1]
            pack(weight, tap, steps[2], steps[3], C, O, packed, (i * window[1] + j) * C, total)
    rows = _band_rows(size[0], width, C, stride[0], reach[0])
    units = B * -(-size[0] // rows)
    parts = max(1, min(-(-O // COLUMNS), CHUNKS // max(1, units)))
    bands = scratch("bands", get_num_threads(), ((rows - 1) * stride[0] + reach[0]) * width * C)
    _forward(
        *(x, (H, W, C), B, corner, stride, reach, size, taps, total // taps.size, packed, O, bias, y, places),
        *(rows, parts, bands),
    )


def forward(
    x: Array, weight: Array, bias: Array | None, y: Array, stride: Pair, padding: Sides, dilation: Pair
) -> None:
    """y = bias + the convolution of x with weight (kh, kw, C, O)."""
    (_, OH, OW, O), (kh, kw, _, _) = y.shape, weight.shape
    numbers, steps = flat(weight)
    geometry = ((-padding[0][0], -padding[1][0]), stride, dilation, (OH, OW))
    row = bias_or_zeros(bias, O)
    places = (0, OH * OW * O, OW * O, O)
    _convolve(x.reshape(-1), x.shape, numbers, steps, 0, (kh, kw), geometry, row, y.reshape(-1), places)


def input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, grad_x: Array, stride: Pair, padding: Sides, dilation: Pair
) -> None:
    """grad_x = bias + what the windows hand back: a convolution for each remainder of (h, w) by the stride.

    Pixel h = r + s m takes grad_y's row (h + padding - i dilation) / s for the taps i where that is a whole number: the
    same taps for all m, and a row farther for the next m.
    """
    (_, H, W, C), (kh, kw, _, _) = grad_x.shape, weight.shape
    numbers, steps = flat(weight)
    row = bias_or_zeros(bias, C)
    places = (H * W * C, stride[0] * W * C, stride[1] * C)
    for r in range(min(H, stride[0])):
        for q in range(min(W, stride[1])):
            down = _taps(kh, r, stride[0], padding[0][0], dilation[0])
            right = _taps(kw, q, stride[1], padding[1][0], dilation[1])
            if down is None or right is None:  # no window reaches these pixels
                grad_x[:, r :: stride[0], q :: stride[1]] = row
                continue
            (i, i_step, n, top, d), (j, j_step, m, left, e) = down, right
            size = (-(-(H - r) // stride[0]), -(-(W - q) // stride[1]))
            first, apart = i * steps[0] + j * steps[1], (i_step * steps[0], j_step * steps[1], steps[3], steps[2])
            geometry = ((top, left), (1, 1), (d, e), size)
            at = ((r * W + q) * C, *places)
            _convolve(
                grad_y.reshape(-1), grad_y.shape, numbers, apart, first, (n, m), geometry, row, grad_x.reshape(-1), at
            )


def _taps(taps: int, r: int, stride: int, padding: int, dilation: int) -> tuple[int, int, int, int, int] | None:
    """First tap, step to the next, their number, the row of grad_y that the first reads for m = 0, and their dilation.

    >>> _taps(3, 0, 1, 1, 1)  # stride 1: all taps, turned round
    (2, -1, 3, -1, 1)
    >>> _taps(3, 0, 2, 1, 1), _taps(3, 1, 2, 1, 1)  # stride 2: even rows see the middle tap, odd rows the other two
    ((1, -2, 1, 0, 1), (2, -2, 2, 0, 1))
    """
    found = [i for i in range(taps) if (r + padding - i * dilation) % stride == 0]
    if not found:
        return None
    common = gcd(stride, dilation)
    return found[-1], -stride // common, len(found), (r + padding - found[-1] * dilation) // stride, dilation // common


def weight_gradient(
    grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    """The gradients of weight (kh, kw, C, O) and of the bias."""
    (B, H, W, C), (_, OH, OW, O) = x.shape, grad_y.shape
    corner, runs = (-padding[0][0], -padding[1][0]), _runs(window, dilation)
    reach = ((window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1)
    width = (OW - 1) * stride[1] + reach[1]
    rows = _band_rows(OH, width, C, stride[0], reach[0])
    size = ((rows - 1) * stride[0] + reach[0]) * width * C
    pictures = max(1, min(_BAND // size, _PIXELS // (OH * OW), -(-B // CHUNKS))) if rows == OH else 1
    taps = np.arange(pictures)[:, None] * size + np.arange(rows) * (stride[0] * width * C)
    depth = window[0] * window[1] * C
    # Eight sums of a wide layer would not fit the caches: its threads share the panels of one sum instead.
    copies = 1 if depth * O > 1 << 18 else CHUNKS
    sums, bias_sums = np.zeros((copies, depth * O), np.float32), np.zeros((copies, O), np.float32)
    bands = scratch("bands", get_num_threads(), pictures * size)
    packs = scratch("packed gradients", get_num_threads(), packed_size(pictures * rows * OW, O))
    _weight_gradient(
        *(grad_y.reshape(-1), x.reshape(-1), (H, W, C), B, corner, stride, dilation, reach, (OH, OW), window, runs, O),
        *(pictures, rows, taps.reshape(-1), sums, bias_sums, bands, packs),
    )
    return sums.sum(axis=0).reshape(*window, C, O), bias_sums.sum(axis=0)
