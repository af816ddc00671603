"""The convolution as matrix products, without the matrix of windows.

Laid out in rows, the windows of all output pixels are a matrix kh kw times larger than the picture (im2col). It need
not exist. Row i of a window is kw C numbers in one piece of a padded picture, and the windows of neighbouring pixels
begin stride C numbers apart: the register tile can read the matrix where the picture lies, a piece for each row i.

    forward          y (pixels x O)  = bias + windows (pixels x kh kw C) times weight (kh kw C x O)
    weight gradient  (kh kw C x O)   = windows^T times grad_y (pixels x O)
    input gradient   a convolution of grad_y; with stride s, one for each of the sh sw places h mod sh, w mod sw

The picture is padded band by band: so many rows that they and a panel of the weights stay in the L2 cache.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

import numpy as np
from numba import get_num_threads, prange, types

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.compiling import CHUNKS, bias_or_zeros, flat, jit, parallel_jit
from minisd_kernels.register_tile import COLUMNS, Matrix, add_rows, copy, multiply_add, pack, pack_taps, packed_size
from minisd_kernels.scratch import scratch

_BAND = 1 << 16  # numbers in a band
_PIXELS = 256  # of small pictures whose products are added at once: the sums are read and written so much less often
_WIDE = 1 << 18  # numbers of a weight's gradient: CHUNKS sums of more would not fit the caches
_FLOATS = types.float32[::1]


class Windows(NamedTuple):
    """The windows of a convolution: what each output pixel sees of the pictures. Flat, as threads want it.

    Attributes:
        B, H, W, C: the pictures that are read.
        P, Q: rows and columns of windows.
        top, left: where the first one begins, -1 with a padding of 1.
        stride_h, stride_w: from one to the next.
        reach_h, reach_w: rows and columns that each spans.
    """

    B: int
    H: int
    W: int
    C: int
    P: int
    Q: int
    top: int
    left: int
    stride_h: int
    stride_w: int
    reach_h: int
    reach_w: int


class Pixels(NamedTuple):
    """Pixels in a flat array: (b, p, q) begins at data[start + b picture + p row + q pixel]."""

    data: Array
    start: int
    picture: int
    row: int
    pixel: int


class Sums(NamedTuple):
    """Parts of the gradients of weight and bias, a row each."""

    weight: Array
    bias: Array


def _width(windows: Windows) -> int:
    """Columns of a band."""
    return (windows.Q - 1) * windows.stride_w + windows.reach_w


_band_width = jit(_width)  # for kernels: from Python a call of it costs ten of the other


@jit
def _read_band(x, windows, b, p, count, band):
    """band = what the windows in rows p ... p + count - 1 see of picture b, zeros outside of it."""
    H, W, C, left = windows.H, windows.W, windows.C, windows.left
    top, width = p * windows.stride_h + windows.top, _band_width(windows)
    first, last = max(0, -left), max(0, min(width, W - left))
    for r in range((count - 1) * windows.stride_h + windows.reach_h):
        h, start = top + r, r * width * C
        if 0 <= h < H and first < last:
            band[start : start + first * C] = np.float32(0)
            copy(x, ((b * H + h) * W + left + first) * C, band, start + first * C, (last - first) * C)
            band[start + last * C : start + width * C] = np.float32(0)
        else:
            band[start : start + width * C] = np.float32(0)


@parallel_jit
def _forward(x, windows, taps, packed, bias, y, rows, bands):
    """y = bias + the windows times the weights, a band of `rows` rows at a time, y being Pixels."""
    B, C, P, Q, O, width = windows.B, windows.C, windows.P, windows.Q, bias.size, _band_width(windows)
    panels, bands_of_picture = (O + COLUMNS - 1) // COLUMNS, (P + rows - 1) // rows
    panel_size = packed.size // panels
    depth = panel_size // COLUMNS // taps.size
    parts = max(1, min(panels, CHUNKS // max(1, B * bands_of_picture)))  # of a band's panels, where bands are few
    tasks, threads = B * bands_of_picture * parts, bands.shape[0]
    for thread in prange(threads):
        band = bands[thread]
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            unit, part = task // parts, task % parts
            b, first = unit // bands_of_picture, unit % bands_of_picture * rows
            count = min(rows, P - first)
            _read_band(x, windows, b, first, count, band)
            for panel in range(panels * part // parts, panels * (part + 1) // parts):
                column = panel * COLUMNS
                weights = packed[panel * panel_size : (panel + 1) * panel_size]
                shape, begin = (Q, depth, min(COLUMNS, O - column)), Matrix(bias, column, 0, 1)
                for p in range(count):
                    seen = Matrix(band, p * windows.stride_h * width * C, windows.stride_w * C, 1)
                    end = y.start + b * y.picture + (first + p) * y.row + column
                    multiply_add(seen, taps, weights, begin, Matrix(y.data, end, y.pixel, 1), shape)


@parallel_jit
def _weight_gradient(grad_y, x, windows, taps, lines, group, sums, memory):
    """sums += windows^T grad_y, over `group` = (pictures, rows) at a time: a few rows of one picture, or a few whole
    pictures. taps are where the pieces of a window begin in a band, lines where its rows of windows do.
    """
    B, C, P, Q, width = windows.B, windows.C, windows.P, windows.Q, _band_width(windows)
    (pictures, rows), (bands, packs), O = group, memory, sums.bias.shape[1]
    piece = sums.weight.shape[1] // O // taps.size
    bands_of_picture = (P + rows - 1) // rows
    units, panels = (B + pictures - 1) // pictures * bands_of_picture, (O + COLUMNS - 1) // COLUMNS
    threads, parts = bands.shape[0], sums.bias.shape[0]
    for thread in prange(threads):
        band, packed = bands[thread], packs[thread]
        # With one sum the threads share its panels, else the sums.
        first_part, last_part = (0, 1) if parts == 1 else (parts * thread // threads, parts * (thread + 1) // threads)
        first_panel, last_panel = (
            (panels * thread // threads, panels * (thread + 1) // threads) if parts == 1 else (0, panels)
        )
        column, columns = first_panel * COLUMNS, min(O, last_panel * COLUMNS) - first_panel * COLUMNS
        for part in range(first_part, last_part if columns > 0 else first_part):
            total, bias_total = sums.weight[part], sums.bias[part]
            for unit in range(units * part // parts, units * (part + 1) // parts):
                b, first = unit // bands_of_picture * pictures, unit % bands_of_picture * rows
                more, count = min(pictures, B - b), min(rows, P - first)
                high = (count - 1) * windows.stride_h + windows.reach_h
                for n in range(more):
                    _read_band(x, windows, b + n, first, count, band[n * high * width * C :])
                gradients, pixels = Matrix(grad_y, (b * P + first) * Q * O + column, O, 1), more * count * Q
                add_rows(gradients, (pixels, columns), bias_total[column:])
                pack(gradients, (pixels, columns), packed, 0, pixels)
                for tap in range(taps.size):
                    seen = Matrix(band, taps[tap], 1, windows.stride_w * C)
                    end = Matrix(total, tap * piece * O + column, O, 1)
                    multiply_add(seen, lines[: more * count], packed, end, end, (piece, Q, columns))


def _windows(x: Array, size: Pair, corner: Pair, stride: Pair, reach: Pair) -> Windows:
    return Windows._make((*x.shape, *size, *corner, *stride, *reach))


def _reach(window: Pair, dilation: Pair) -> Pair:
    return (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1


def _pieces(window: Pair, dilation: Pair, width: int, C: int) -> Array:
    """Where in a band the pieces of a window begin: a row of it is one, or with dilation each of its taps."""
    runs = window[1] if dilation[1] > 1 else 1
    return np.array(
        [(i * dilation[0] * width + run * dilation[1]) * C for i in range(window[0]) for run in range(runs)], np.int64
    )


def _band_rows(windows: Windows) -> int:
    """Output rows whose input rows fill a band, at least one."""
    room = _BAND // max(1, _width(windows) * windows.C)
    return max(1, min(windows.P, (room - windows.reach_h) // windows.stride_h + 1))


def _band_size(windows: Windows, rows: int) -> int:
    return ((rows - 1) * windows.stride_h + windows.reach_h) * _width(windows) * windows.C


class Weight(NamedTuple):
    """A convolution's weight in a flat array: tap (i, j), input c, output o is
    data[start + i steps[0] + j steps[1] + c steps[2] + o steps[3]], and tap (i, j) lies i dilation[0] rows and
    j dilation[1] columns from a window's corner.
    """

    data: Array
    start: int
    steps: tuple[int, ...]
    window: Pair
    dilation: Pair


def _convolve(x: Array, windows: Windows, weight: Weight, bias: Array, y: Pixels) -> None:
    """y = bias + the convolution of flat x."""
    (kh, kw), C, O = weight.window, windows.C, bias.size
    taps = _pieces(weight.window, weight.dilation, _width(windows), C)
    packed = scratch("packed weights", packed_size(kh * kw * C, O))
    pack_taps(weight.data, weight.start, weight.steps, (kh, kw, C, O), packed)
    rows = _band_rows(windows)
    bands = scratch("bands", get_num_threads(), _band_size(windows, rows))
    _forward(x, windows, taps, packed, bias, y, rows, bands)


def forward(
    x: Array, weight: Array, bias: Array | None, y: Array, stride: Pair, padding: Sides, dilation: Pair
) -> None:
    """y = bias + the convolution of x with weight (kh, kw, C, O)."""
    (_, P, Q, O), (kh, kw, _, _) = y.shape, weight.shape
    numbers, steps = flat(weight)
    corner = -padding[0][0], -padding[1][0]
    windows = _windows(x, (P, Q), corner, stride, _reach((kh, kw), dilation))
    taps, places = Weight(numbers, 0, steps, (kh, kw), dilation), Pixels(y.reshape(-1), 0, P * Q * O, Q * O, O)
    _convolve(x.reshape(-1), windows, taps, bias_or_zeros(bias, O), places)


def input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, grad_x: Array, stride: Pair, padding: Sides, dilation: Pair
) -> None:
    """grad_x = bias + what the windows hand back: a convolution for each remainder of (h, w) by the stride.

    Pixel h = r + s m takes grad_y's row (h + padding - i dilation) / s for the taps i where that is a whole number: the
    same taps for all m, and a row farther for the next m.
    """
    (_, H, W, C), (kh, kw, _, _) = grad_x.shape, weight.shape
    numbers, steps = flat(weight)
    row, steps_back = bias_or_zeros(bias, C), (steps[3], steps[2])
    for r in range(min(H, stride[0])):
        for q in range(min(W, stride[1])):
            down = _taps(kh, r, stride[0], padding[0][0], dilation[0])
            right = _taps(kw, q, stride[1], padding[1][0], dilation[1])
            if down is None or right is None:  # no window reaches these pixels
                grad_x[:, r :: stride[0], q :: stride[1]] = row
                continue
            (i, i_step, n, top, d), (j, j_step, m, left, e) = down, right
            size = (-(-(H - r) // stride[0]), -(-(W - q) // stride[1]))
            windows = _windows(grad_y, size, (top, left), (1, 1), _reach((n, m), (d, e)))
            apart = (i_step * steps[0], j_step * steps[1], *steps_back)
            taps = Weight(numbers, i * steps[0] + j * steps[1], apart, (n, m), (d, e))
            places = Pixels(grad_x.reshape(-1), (r * W + q) * C, H * W * C, stride[0] * W * C, stride[1] * C)
            _convolve(grad_y.reshape(-1), windows, taps, row, places)


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
    (B, _, _, C), (_, P, Q, O) = x.shape, grad_y.shape
    corner = -padding[0][0], -padding[1][0]
    windows = _windows(x, (P, Q), corner, stride, _reach(window, dilation))
    width, rows = _width(windows), _band_rows(windows)
    size = _band_size(windows, rows)
    pictures = max(1, min(_BAND // max(1, size), _PIXELS // (P * Q), -(-B // CHUNKS))) if rows == P else 1
    lines = np.arange(pictures)[:, None] * size + np.arange(rows) * (stride[0] * width * C)
    depth = window[0] * window[1] * C
    copies = 1 if depth * O > _WIDE else CHUNKS  # the threads share the panels of one sum, or the sums
    sums = Sums(np.zeros((copies, depth * O), np.float32), np.zeros((copies, O), np.float32))
    bands = scratch("bands", get_num_threads(), pictures * size)
    packs = scratch("packed gradients", get_num_threads(), packed_size(pictures * rows * Q, O))
    taps, group, memory = _pieces(window, dilation, width, C), (pictures, rows), (bands, packs)
    _weight_gradient(grad_y.reshape(-1), x.reshape(-1), windows, taps, lines.reshape(-1), group, sums, memory)
    return sums.weight.reshape(copies, *window, C, O).sum(axis=0), sums.bias.sum(axis=0)
