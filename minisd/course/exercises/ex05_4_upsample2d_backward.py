r"""Larger by repeating, and back

Nearest-neighbour upsampling makes of every pixel a block of equal pixels:

$$y_{b,h,w,c} = x_{b,\; \lfloor h / s_h \rfloor,\; \lfloor w / s_w \rfloor,\; c}$$

Write its gradient: what does a pixel get, whose number was used for a whole block?
"""

import numpy as np
from minisd_kernels import upsample2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 2, 15
HINTS = (
    "A number that was used several times gets the sum of the gradients.",
    "Make the blocks axes of their own: (B, H, sh, W, sw, C), then sum over two of them.",
    "grad_y.reshape(B, H // sh, sh, W // sw, sw, C).sum(axis=(2, 4))",
)


def upsample2d_backward(grad_y, scale):
    """The gradient by x; shapes grad_y (B, sh H, sw W, C), scale (sh, sw) -> (B, H, W, C)."""
    with use_backend("numpy"):
        return library.backward(grad_y, scale=scale)


def cases(rng, dtype):
    for shape, scale in (
        ((1, 4, 4, 1), (2, 2)),
        ((2, 6, 4, 3), (3, 2)),
        ((2, 3, 8, 2), (1, 4)),
        ((3, 6, 6, 2), (2, 3)),
    ):
        yield (rng.standard_normal(shape) + 0.5).astype(dtype), scale
    yield rng.standard_normal((1, 5, 3, 2)).astype(dtype), (5, 1)


def mistake_mean(grad_y, scale):
    """A number that was used several times gets the sum of the gradients, not their mean."""
    return upsample2d_backward(grad_y, scale) / (scale[0] * scale[1])


def mistake_first_of_the_block(grad_y, scale):
    """That is the gradient of one pixel of each block: sum over all of them."""
    return grad_y[:, :: scale[0], :: scale[1]]


def mistake_scales_exchanged(grad_y, scale):
    """The first scale is that of the rows, the second that of the columns; yours are exchanged."""
    sw, sh = scale
    _, H, W, _ = grad_y.shape
    return np.add.reduceat(np.add.reduceat(grad_y, range(0, H, sh), axis=1), range(0, W, sw), axis=2)


def mistake_interleaved(grad_y, scale):
    """A block's pixels lie side by side; you add up pixels that lie H (or W) apart, as if the picture were repeated."""
    (sh, sw), (B, H, W, C) = scale, grad_y.shape
    return grad_y.reshape(B, sh, H // sh, sw, W // sw, C).sum(axis=(1, 3))


def mistake_rows_only(grad_y, scale):
    """Columns were repeated, too: you sum over the block's rows, and take its first column."""
    (sh, sw), (B, H, W, C) = scale, grad_y.shape
    return grad_y.reshape(B, H // sh, sh, W // sw, sw, C).sum(axis=2)[:, :, :, 0]


def mistake_maximum(grad_y, scale):
    """The block's gradients are summed; yours is the largest of them."""
    (sh, sw), (B, H, W, C) = scale, grad_y.shape
    return grad_y.reshape(B, H // sh, sh, W // sw, sw, C).max(axis=(2, 4))


def right_slices(g, scale):
    return sum(g[:, i :: scale[0], j :: scale[1]] for i in range(scale[0]) for j in range(scale[1]))


def right_loops(grad_y, scale):
    B, H, W, C = grad_y.shape
    grad_x = np.zeros((B, H // scale[0], W // scale[1], C), grad_y.dtype)
    for h, w in np.ndindex(H, W):
        grad_x[:, h // scale[0], w // scale[1]] += grad_y[:, h, w]
    return grad_x
