r"""Your own convolution

Every output pixel is a weighted sum over its window and over all channels of the picture:

$$y_{b,p,q,o} = \text{bias}_o + \sum_{i,j,c} x_{b,\; p s + i - P,\; q s + j - P,\; c}\;\, \text{weight}_{i,j,c,o}$$

with x = 0 outside the picture, stride s and padding P. Shapes: x (B, H, W, C), weight (kh, kw, C, O), bias (O,) or
None -> y (B, H', W', O); the sizes are chapter 2's. Write it as loops, or with NumPy, as you like. The result has the
type of x. The library can draw a digit with yours: it needs no other options.
"""

import numpy as np
from minisd_kernels import conv2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 5, 45
HINTS = (
    "Pad the picture with `np.pad` first; then no index leaves it. How large is the output?",
    "Fix a place (i, j) in the window. Which pixels of the padded picture meet weight[i, j], over all outputs?",
    "y += padded[:, i : i + s * (P - 1) + 1 : s, j : j + s * (Q - 1) + 1 : s] @ weight[i, j] for every (i, j), where "
    "(P, Q) is the output's size.",
)


def conv2d(x, weight, bias=None, stride=1, padding=0):
    """The convolution of x; shapes (B, H, W, C) -> (B, H', W', O)."""
    with use_backend("numpy"):
        return library.forward(x, weight, bias, stride=stride, padding=padding)


def cases(rng, dtype):
    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    yield draw(1, 4, 5, 1), draw(3, 3, 1, 1), None, 1, 0
    yield draw(2, 5, 4, 3), draw(2, 3, 3, 2), draw(2), 1, 0
    yield draw(2, 7, 6, 2), draw(3, 2, 2, 3), draw(3), 2, 1
    yield draw(1, 8, 5, 2), draw(4, 4, 2, 2), None, 2, 1
    yield draw(3, 3, 4, 3), draw(1, 1, 3, 3), draw(3), 1, 0
    yield draw(1, 5, 9, 1), draw(3, 3, 1, 2), draw(2), 3, 2


def mistake_flipped_window(x, weight, bias=None, stride=1, padding=0):
    """You turn the window round, as mathematicians' convolution does. Networks do not: place (i, j) of the window meets
    the pixel i rows below and j columns right of its corner."""
    return conv2d(x, weight[::-1, ::-1], bias, stride, padding)


def mistake_bias_forgotten(x, weight, bias=None, stride=1, padding=0):
    """The bias is not added: each output channel has its own."""
    return conv2d(x, weight, None, stride, padding)


def mistake_rows_and_columns(x, weight, bias=None, stride=1, padding=0):
    """Rows and columns of the window are exchanged: weight's first axis goes with the picture's rows."""
    return conv2d(x, weight.swapaxes(0, 1), bias, stride, padding)


def mistake_padding_before_only(x, weight, bias=None, stride=1, padding=0):
    """The padding lies on all four sides; you have it at the top and the left only."""
    padded = np.pad(x, ((0, 0), (padding, 0), (padding, 0), (0, 0)))
    return conv2d(padded, weight, bias, stride, 0)


def mistake_stride_forgotten(x, weight, bias=None, stride=1, padding=0):
    """The windows begin s pixels apart: your stride is always 1."""
    return conv2d(x, weight, bias, 1, padding)


def mistake_padding_forgotten(x, weight, bias=None, stride=1, padding=0):
    """The picture is not padded: around it lie P rows and columns of zeros."""
    return conv2d(x, weight, bias, stride, 0)


def mistake_padding_repeats(x, weight, bias=None, stride=1, padding=0):
    """Outside the picture is 0; yours continues the border's pixels."""
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), mode="edge")
    return conv2d(padded, weight, bias, stride, 0)


def mistake_first_channel(x, weight, bias=None, stride=1, padding=0):
    """The window spans all channels of the picture, and sums over them; yours reads the first one only."""
    return conv2d(x[..., :1], weight[:, :, :1], bias, stride, padding)


def mistake_mean(x, weight, bias=None, stride=1, padding=0):
    """The products are summed, not averaged."""
    kh, kw, C, _ = weight.shape
    return conv2d(x, weight / (kh * kw * C), bias, stride, padding).astype(x.dtype)


def right_seven_loops(x, weight, bias=None, stride=1, padding=0):
    B, H, W, _ = x.shape
    kh, kw, _, O = weight.shape
    P, Q = (H + 2 * padding - kh) // stride + 1, (W + 2 * padding - kw) // stride + 1
    y = np.zeros((B, P, Q, O), x.dtype) if bias is None else np.tile(bias, (B, P, Q, 1))
    for b, p, q, i, j in np.ndindex(B, P, Q, kh, kw):
        row, column = p * stride + i - padding, q * stride + j - padding
        if 0 <= row < H and 0 <= column < W:
            y[b, p, q] += x[b, row, column] @ weight[i, j]
    return y


def right_windows(x, weight, bias=0.0, stride=1, padding=0):
    around = (padding, padding)
    padded = np.pad(x, ((0, 0), around, around, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[:2], axis=(1, 2))
    y = np.einsum("bpqcij,ijco->bpqo", windows[:, ::stride, ::stride], weight)
    return y + bias if bias is not None else y


def right_image_to_columns(x, weight, bias=None, stride=1, padding=0):
    kh, kw, C, O = weight.shape
    padded = np.zeros((len(x), x.shape[1] + 2 * padding, x.shape[2] + 2 * padding, C), x.dtype)
    padded[:, padding : padding + x.shape[1], padding : padding + x.shape[2]] = x
    tops, lefts = (range(0, padded.shape[axis] - k + 1, stride) for axis, k in ((1, kh), (2, kw)))
    rows = [padded[:, p : p + kh, q : q + kw].reshape(len(x), -1) for p in tops for q in lefts]
    y = (np.stack(rows, axis=1) @ weight.reshape(-1, O)).reshape(len(x), len(tops), len(lefts), O)
    if bias is not None:
        y += bias
    return y
