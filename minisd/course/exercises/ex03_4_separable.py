r"""A convolution in two steps

A separable convolution first filters every channel alone, with a window of its own (depth, of the shape (kh, kw, C)),
and then mixes the channels of every pixel with one matrix (point, of the shape (C, O)): a convolution of 1 x 1.

$$m_{b,p,q,c} = \sum_{i,j} x_{b,p+i,q+j,c}\; \text{depth}_{i,j,c}, \qquad
y_{b,p,q,o} = \sum_c m_{b,p,q,c}\; \text{point}_{c,o}$$

It has kh kw C + C O weights instead of kh kw C O. Stride 1, no padding. (That the result is also one full convolution
is worth a thought.)
"""

import numpy as np
from minisd_kernels import conv2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 2, 20
HINTS = (
    "A convolution of 1 x 1 has one tap. What is left of the sum?",
    "The first step is a sum over taps of slices times depth[i, j], which broadcasts; the second one is `m @ point`.",
    "m = sum of x[:, i : i + P, j : j + Q] * depth[i, j] over i and j; return m @ point",
)


def separable(x, depth, point):
    """Shapes x (B, H, W, C), depth (kh, kw, C), point (C, O) -> (B, H - kh + 1, W - kw + 1, O)."""
    with use_backend("numpy"):
        return library.forward(x, depth[:, :, :, None] * point)


def cases(rng, dtype):
    for B, H, W, C, O, kh, kw in (
        (1, 4, 5, 2, 3, 2, 2),
        (2, 6, 5, 3, 3, 3, 2),
        (3, 4, 4, 4, 1, 1, 1),
        (1, 3, 7, 1, 4, 3, 4),
        (2, 5, 5, 3, 2, 3, 3),
    ):
        yield (
            rng.standard_normal((B, H, W, C)).astype(dtype),
            rng.standard_normal((kh, kw, C)).astype(dtype),
            rng.standard_normal((C, O)).astype(dtype),
        )


def _depthwise(x, depth):
    kh, kw, _ = depth.shape
    P, Q = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    return np.array(sum(x[:, i : i + P, j : j + Q] * depth[i, j] for i, j in np.ndindex(kh, kw)))


def mistake_flipped(x, depth, point):
    """The window is turned round: depth[i, j] meets the pixel i rows below and j columns right of the corner."""
    return _depthwise(x, depth[::-1, ::-1]) @ point


def mistake_one_window_for_all(x, depth, point):
    """Every channel has a window of its own; yours uses the first channel's for all."""
    return _depthwise(x, np.repeat(depth[:, :, :1], x.shape[3], axis=2)) @ point


def mistake_summed_too_early(x, depth, point):
    """The first step keeps the channels apart; yours adds them up before they are mixed."""
    m = _depthwise(x, depth)
    return np.repeat(m.sum(axis=-1, keepdims=True), m.shape[3], axis=3) @ point


def mistake_not_mixed(x, depth, point):
    """The second step is missing: every pixel's channels go through the matrix `point`."""
    return _depthwise(x, depth)


def mistake_size_kept(x, depth, point):
    """There is no padding: the result is kh - 1 rows and kw - 1 columns smaller."""
    kh, kw, _ = depth.shape
    padded = np.pad(x, ((0, 0), ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2), (0, 0)))
    return _depthwise(padded, depth) @ point


def mistake_averaged(x, depth, point):
    """The window's products are summed, not averaged."""
    return _depthwise(x, depth) @ point / depth.shape[0] / depth.shape[1]


def right_einsum(x, depth, point):
    windows = np.lib.stride_tricks.sliding_window_view(x, depth.shape[:2], axis=(1, 2))
    return np.einsum("bpqcij,ijc,co->bpqo", windows, depth, point)


def right_loops(x, depth, point):
    (B, H, W, C), (kh, kw, _) = x.shape, depth.shape
    out = np.zeros((B, H - kh + 1, W - kw + 1, point.shape[1]), x.dtype)
    for b, p, q, c in np.ndindex(*out.shape[:3], C):
        out[b, p, q] += (x[b, p : p + kh, q : q + kw, c] * depth[:, :, c]).sum() * point[c]
    return out


def right_mixed_first(x, depth, point):
    y = 0
    for i, j in np.ndindex(*depth.shape[:2]):
        tap = x[:, i : x.shape[1] - depth.shape[0] + 1 + i, j : x.shape[2] - depth.shape[1] + 1 + j]
        y = y + tap @ (depth[i, j][:, None] * point)
    return y
