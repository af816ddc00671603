"""A convolution to a few channels: the products first, the window afterwards.

The register tile computes COLUMNS output channels at a time; for an image's single channel nearly all of them would be
thrown away. But every tap of the window is a matrix product of its own, and side by side they fill the tile:

    z = x (pixels x C) times weight (C x kh kw O)          y[p, q] = bias + sum_{i,j} z[h(p, i), w(q, j), i, j]

with h(p, i) = p s - P + i d the row that tap i reads for output row p. An input gradient to few channels is the same
with h(p, i) = (p + P - i d) / s, where that is a whole number. For the weight's gradient the sum is turned round: z's
gradient is y's, laid where z was read, and the product is a linear layer's.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minisd_kernels.arguments import Array, Pair, Sides
from minisd_kernels.compiling import bias_or_zeros, contiguous, parallel_jit
from minisd_kernels.linear import numba_cpu as linear
from minisd_kernels.scratch import scratch


def _reads(count: int, size: int, taps: int, stride: int, padding: int, dilation: int) -> Array:
    """(count, taps): the row of `size` that each tap reads for each output row of a convolution; -1 for none.

    >>> _reads(2, 4, 3, 2, 1, 1).tolist()
    [[-1, 0, 1], [1, 2, 3]]
    """
    row = np.arange(count)[:, None] * stride - padding + np.arange(taps) * dilation
    return np.where((row >= 0) & (row < size), row, -1)


def _reads_back(count: int, size: int, taps: int, stride: int, padding: int, dilation: int) -> Array:
    """The same for its input gradient: the row of grad_y that reads input row 0 ... count - 1 with this tap.

    >>> _reads_back(4, 2, 3, 2, 1, 1).tolist()
    [[-1, 0, -1], [1, -1, 0], [-1, 1, -1], [-1, -1, 1]]
    """
    row, rest = np.divmod(np.arange(count)[:, None] + padding - np.arange(taps) * dilation, stride)
    return np.where((rest == 0) & (row >= 0) & (row < size), row, -1)


@parallel_jit
def _collect(z, size, rows, columns, bias, y):
    """y[b, p, q] = bias + the sum of z[b, rows[p, i], columns[q, j], i, j]; z and y flat, z's pictures of `size`."""
    H, W = size
    P, kh = rows.shape
    Q, kw = columns.shape
    O = bias.size
    for line in prange(y.size // (Q * O)):
        b, p = line // P, line % P
        for q in range(Q):
            out = y[(line * Q + q) * O : (line * Q + q + 1) * O]
            for o in range(O):
                out[o] = bias[o]
            for i in range(kh):
                for j in range(kw):
                    h, w = rows[p, i], columns[q, j]
                    if h >= 0 and w >= 0:
                        start = (((b * H + h) * W + w) * kh * kw + i * kw + j) * O
                        for o in range(O):
                            out[o] += z[start + o]


@parallel_jit
def _spread(grad_y, rows, columns, O, grad_z):
    """grad_z[b, h, w, i, j] = grad_y[b, rows[h, i], columns[w, j]]: where _collect read, or 0; both flat."""
    H, kh = rows.shape
    W, kw = columns.shape
    for line in prange(grad_z.size // (W * kh * kw * O)):
        b, h = line // H, line % H
        for w in range(W):
            for i in range(kh):
                for j in range(kw):
                    p, q = rows[h, i], columns[w, j]
                    start = ((line * W + w) * kh * kw + i * kw + j) * O
                    for o in range(O):
                        grad_z[start + o] = grad_y[b, p, q, o] if p >= 0 and q >= 0 else np.float32(0)


def forward(
    x: Array, weight: Array, bias: Array | None, y: Array, stride: Pair, padding: Sides, dilation: Pair
) -> None:
    """y = bias + the convolution of x with weight (kh, kw, C, O)."""
    (B, H, W, C), (kh, kw, _, O) = x.shape, weight.shape
    z = scratch("products", B, H, W, kh, kw, O)
    matrix = np.ascontiguousarray(weight.transpose(2, 0, 1, 3)).reshape(C, kh * kw * O)
    linear.rows_times(x.reshape(B * H * W, C), matrix, None, z.reshape(B * H * W, kh * kw * O))
    rows, columns = (
        _reads(y.shape[1 + axis], x.shape[1 + axis], weight.shape[axis], stride[axis], padding[axis][0], dilation[axis])
        for axis in (0, 1)
    )
    row = bias_or_zeros(bias, O)
    _collect(z.reshape(-1), (H, W), rows, columns, row, y.reshape(-1))


def input_gradient(
    grad_y: Array, weight: Array, bias: Array | None, grad_x: Array, stride: Pair, padding: Sides, dilation: Pair
) -> None:
    """grad_x = bias + what the windows hand back."""
    (B, P, Q, O), (kh, kw, C, _) = grad_y.shape, weight.shape
    z = scratch("products", B, P, Q, kh, kw, C)
    matrix = np.ascontiguousarray(weight.transpose(3, 0, 1, 2)).reshape(O, kh * kw * C)
    linear.rows_times(grad_y.reshape(B * P * Q, O), matrix, None, z.reshape(B * P * Q, kh * kw * C))
    rows, columns = _tables_back(grad_x.shape, grad_y.shape, weight.shape, stride, padding, dilation)
    row = bias_or_zeros(bias, C)
    _collect(z.reshape(-1), (P, Q), rows, columns, row, grad_x.reshape(-1))


def weight_gradient(
    grad_y: Array, x: Array, window: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    """The gradients of weight (kh, kw, C, O) and of the bias."""
    C, O = x.shape[3], grad_y.shape[3]
    rows, columns = _tables_back(x.shape, grad_y.shape, window, stride, padding, dilation)
    read, read_across = (rows >= 0).any(axis=1), (columns >= 0).any(axis=1)
    if not (read.all() and read_across.all()):  # what no window sees must not count, not even infinity times 0
        x, rows, columns = contiguous(x[:, read][:, :, read_across]), rows[read], columns[read_across]
    grad_z = scratch("products", *x.shape[:3], *window, O)
    _spread(grad_y, rows, columns, O, grad_z.reshape(-1))
    pixels, products = x.shape[0] * x.shape[1] * x.shape[2], window[0] * window[1] * O
    matrix, _ = linear.weight_and_bias_gradient(x.reshape(pixels, C), grad_z.reshape(pixels, products))
    grad_weight = matrix.reshape(C, *window, O).transpose(1, 2, 0, 3)
    return np.ascontiguousarray(grad_weight), np.asarray(grad_y.sum(axis=(0, 1, 2)))


def _tables_back(
    size: tuple[int, ...], read: tuple[int, ...], taps: tuple[int, ...], stride: Pair, padding: Sides, dilation: Pair
) -> tuple[Array, Array]:
    rows, columns = (
        _reads_back(size[1 + axis], read[1 + axis], taps[axis], stride[axis], padding[axis][0], dilation[axis])
        for axis in (0, 1)
    )
    return rows, columns
