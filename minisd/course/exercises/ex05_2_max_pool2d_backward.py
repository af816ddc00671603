r"""Where the gradient of a pooling goes

A maximum changes with the one number that it is, and with no other. So every window's gradient goes, whole, to the
place of its largest number:

$$\text{grad\_x}_{b,h,w,c} = \sum \text{grad\_y}_{b,p,q,c} \quad
\text{over the windows whose maximum stands at } (h, w)$$

Where a window has several equal largest numbers, the first one gets all, row by row and in a row from the left. Windows
may overlap, and then a number may be the largest of several. No padding.
"""

import numpy as np
from minisd_kernels import max_pool2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 4, 40
HINTS = (
    "For one window on paper: which of its four numbers gets the gradient? And with 7, 7, 3, 7?",
    "`argmax` of the flattened window is the first largest in row-major order; divmod by its width gives (i, j).",
    "for b, p, q, c: i, j = divmod(x[b, p*s : p*s + F, q*s : q*s + F, c].argmax(), F); "
    "grad_x[b, p*s + i, q*s + j, c] += grad_y[b, p, q, c].",
)


def max_pool2d_backward(grad_y, x, window, stride=None):
    """The gradient by x; shapes grad_y (B, H', W', C), x (B, H, W, C) -> (B, H, W, C)."""
    with use_backend("numpy"):
        _, argmax = library.forward(x, window=window, stride=stride)
        return library.backward(grad_y, argmax, x_shape=x.shape, window=window, stride=stride)


def cases(rng, dtype):
    for shape, window, stride, levels in (
        ((1, 4, 6, 1), 2, None, 1000),
        ((2, 5, 7, 3), 2, None, 3),
        ((2, 6, 5, 2), 3, 1, 1000),
        ((1, 7, 8, 2), 3, 2, 3),
        ((2, 5, 6, 2), 2, 1, 2),
        ((1, 7, 7, 1), 2, 3, 1000),
        ((2, 4, 4, 2), 2, None, 1),
    ):
        x = rng.integers(-levels, 0, shape).astype(dtype)  # few different numbers: ties
        size = [(n - window) // (stride or window) + 1 for n in shape[1:3]]
        yield (rng.standard_normal((shape[0], *size, shape[3])) + 0.5).astype(dtype), x, window, stride


def _each_window(grad_y, x, window, stride, share):
    """share(numbers (window, window)) -> the part of the gradient that each place gets."""
    grad_x, s = np.zeros_like(x), stride or window
    for b, p, q, c in np.ndindex(*grad_y.shape):
        place = b, slice(p * s, p * s + window), slice(q * s, q * s + window), c
        grad_x[place] += share(x[place]) * grad_y[b, p, q, c]
    return grad_x


def _first(numbers):
    return (np.arange(numbers.size) == numbers.argmax()).reshape(numbers.shape)


def mistake_all_of_the_equal(grad_y, x, window, stride=None):
    """Where several numbers are the largest, the first one gets the gradient, not each of them."""
    return _each_window(grad_y, x, window, stride, lambda numbers: numbers == numbers.max())


def mistake_shared(grad_y, x, window, stride=None):
    """Where several numbers are the largest, the first one gets all of the gradient; yours share it."""
    return _each_window(grad_y, x, window, stride, lambda n: (n == n.max()) / (n == n.max()).sum())


def mistake_last_of_the_equal(grad_y, x, window, stride=None):
    """Of several equal largest numbers the first gets the gradient; yours is the last."""
    return _each_window(grad_y, x, window, stride, lambda numbers: _first(numbers[::-1, ::-1])[::-1, ::-1])


def mistake_columns_first(grad_y, x, window, stride=None):
    """Of several equal largest numbers the first is meant row by row; you go column by column."""
    return _each_window(grad_y, x, window, stride, lambda numbers: _first(numbers.T).T)


def mistake_spread(grad_y, x, window, stride=None):
    """That is the gradient of a mean: of a maximum only the largest number gets one, and all of it."""
    return _each_window(grad_y, x, window, stride, lambda numbers: np.full(numbers.shape, 1 / numbers.size))


def mistake_everywhere(grad_y, x, window, stride=None):
    """Only the largest number of each window gets its gradient; yours goes to all of them."""
    return _each_window(grad_y, x, window, stride, np.ones_like)


def mistake_overwritten(grad_y, x, window, stride=None):
    """A number may be the largest of several windows: their gradients add up."""
    grad_x, s = np.zeros_like(x), stride or window
    for b, p, q, c in np.ndindex(*grad_y.shape):
        i, j = divmod(int(x[b, p * s : p * s + window, q * s : q * s + window, c].argmax()), window)
        grad_x[b, p * s + i, q * s + j, c] = grad_y[b, p, q, c]
    return grad_x


def mistake_ones(grad_y, x, window, stride=None):
    """The place of the maximum gets the gradient that came, not 1."""
    return max_pool2d_backward(np.ones_like(grad_y), x, window, stride)


def mistake_times_the_maximum(grad_y, x, window, stride=None):
    """The derivative of the maximum by its number is 1: the gradient goes there as it is."""
    return max_pool2d_backward(grad_y, x, window, stride) * x


def right_loops(g, x, window, stride=None):
    s = stride if stride is not None else window
    out = np.zeros(x.shape, x.dtype)
    for b, p, q, c in np.ndindex(*g.shape):
        best = p * s, q * s
        for h in range(p * s, p * s + window):
            for w in range(q * s, q * s + window):
                if x[b, h, w, c] > x[b, best[0], best[1], c]:
                    best = h, w
        out[b, best[0], best[1], c] += g[b, p, q, c]
    return out


def right_one_hot(grad_y, x, window, stride=None):
    s = stride or window
    views = np.lib.stride_tricks.sliding_window_view(x, (window, window), axis=(1, 2))[:, ::s, ::s]
    hot = np.eye(window * window, dtype=x.dtype)[views.reshape(*views.shape[:4], -1).argmax(-1)]
    grad_x = np.zeros_like(x)
    P, Q = grad_y.shape[1:3]
    for k in range(window * window):
        i, j = k // window, k % window
        grad_x[:, i : i + s * P : s, j : j + s * Q : s][:, :P, :Q] += grad_y * hot[..., k]
    return grad_x
