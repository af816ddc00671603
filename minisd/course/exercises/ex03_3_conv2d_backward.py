r"""The gradient of the convolution

Training has the loss's gradient by the convolution's output, grad_y, and needs the ones by x, by the weight and by the
bias. Weight (i, j) met the pixel (p s + i - P, q s + j - P) and went into the output (p, q). So each of the three is
the same sum over all such triples, with the partners exchanged:

$$\text{grad\_x}_{b,\,p s+i-P,\,q s+j-P,\,c} \mathrel{+}= \sum_o \text{grad\_y}_{b,p,q,o}\; \text{weight}_{i,j,c,o}$$

$$\text{grad\_weight}_{i,j,c,o} = \sum_{b,p,q} x_{b,\,p s+i-P,\,q s+j-P,\,c}\; \text{grad\_y}_{b,p,q,o}
\qquad \text{grad\_bias}_o = \sum_{b,p,q} \text{grad\_y}_{b,p,q,o}$$

What falls on the padding is dropped. Pixels that no window reads have a gradient of 0.
"""

import numpy as np
from minisd_kernels import conv2d as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 8, 90
HINTS = (
    "Begin with the bias and the weight: how is weight[i, j] used in the forward pass, and by what is it multiplied?",
    "Take the same slice of the padded picture as in the forward pass. For the weight multiply it with grad_y and sum; "
    "for x add to that slice of an array of zeros.",
    "grad_padded[:, rows, columns] += grad_y @ weight[i, j].T, and grad_weight[i, j] = np.tensordot(padded[:, rows, "
    "columns], grad_y, axes=((0, 1, 2), (0, 1, 2))); in the end cut the padding off grad_padded.",
)


def conv2d_backward(grad_y, x, weight, stride=1, padding=0):
    """(grad_x, grad_weight, grad_bias), of the shapes (B, H, W, C), (kh, kw, C, O) and (O,)."""
    with use_backend("numpy"):
        return library.backward(grad_y, x, weight, stride=stride, padding=padding)


def cases(rng, dtype):
    for x_shape, w_shape, stride, padding in (
        ((1, 4, 5, 1), (3, 2, 1, 1), 1, 0),
        ((2, 5, 4, 3), (2, 3, 3, 2), 1, 0),
        ((2, 8, 7, 2), (3, 3, 2, 3), 2, 1),
        ((1, 6, 9, 2), (4, 4, 2, 1), 2, 1),
        ((2, 3, 4, 3), (1, 1, 3, 2), 1, 0),
        ((1, 8, 5, 2), (3, 2, 2, 2), 3, 0),
    ):
        size = [(x_shape[a + 1] + 2 * padding - w_shape[a]) // stride + 1 for a in (0, 1)]
        x, weight = rng.standard_normal(x_shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
        yield rng.standard_normal((x_shape[0], *size, w_shape[3])).astype(dtype), x, weight, stride, padding


def _sum(grad_y, x, weight, stride, padding, *, overwrite=False, flip=False, crop=True):
    (_, P, Q, _), (B, H, W, C), (kh, kw, _, _) = grad_y.shape, x.shape, weight.shape
    padded = np.zeros((B, H + 2 * padding, W + 2 * padding, C), x.dtype)
    for i, j in np.ndindex(kh, kw):
        rows, columns = slice(i, i + stride * (P - 1) + 1, stride), slice(j, j + stride * (Q - 1) + 1, stride)
        part = grad_y @ (weight[kh - 1 - i, kw - 1 - j] if flip else weight[i, j]).T
        padded[:, rows, columns] = part if overwrite else padded[:, rows, columns] + part
    return padded[:, padding : padding + H, padding : padding + W] if crop else padded


def mistake_overwritten(grad_y, x, weight, stride=1, padding=0):
    """Windows overlap, and a pixel has a gradient from each of them: add them up. In grad_x yours overwrite."""
    _, *others = conv2d_backward(grad_y, x, weight, stride, padding)
    return _sum(grad_y, x, weight, stride, padding, overwrite=True), *others


def mistake_window_flipped(grad_y, x, weight, stride=1, padding=0):
    """In grad_x the window is turned round: weight[i, j] carries the gradient back to the pixel that it met, i rows
    below and j columns right of the window's corner."""
    _, *others = conv2d_backward(grad_y, x, weight, stride, padding)
    return _sum(grad_y, x, weight, stride, padding, flip=True), *others


def mistake_padding_kept(grad_y, x, weight, stride=1, padding=0):
    """grad_x still has the padding on it: cut it off at all four sides."""
    _, *others = conv2d_backward(grad_y, x, weight, stride, padding)
    return _sum(grad_y, x, weight, stride, padding, crop=False), *others


def mistake_mean_over_the_batch(grad_y, x, weight, stride=1, padding=0):
    """The weight's gradient is the sum over all pictures, not the mean: what average the loss takes stands in grad_y
    already."""
    grad_x, grad_weight, grad_bias = conv2d_backward(grad_y, x, weight, stride, padding)
    return grad_x, grad_weight / len(x), grad_bias / len(x)


def mistake_bias_of_each_picture(grad_y, x, weight, stride=1, padding=0):
    """One bias serves all pictures: its gradient is summed over the batch, too."""
    grad_x, grad_weight, _ = conv2d_backward(grad_y, x, weight, stride, padding)
    return grad_x, grad_weight, grad_y.sum(axis=(1, 2))


def mistake_bias_mean(grad_y, x, weight, stride=1, padding=0):
    """The bias's gradient is a sum over all pixels, not their mean."""
    grad_x, grad_weight, _ = conv2d_backward(grad_y, x, weight, stride, padding)
    return grad_x, grad_weight, grad_y.mean(axis=(0, 1, 2))


def mistake_first_picture(grad_y, x, weight, stride=1, padding=0):
    """The weight's gradient sums over all pictures of the batch; yours is the first one's."""
    grad_x, _, grad_bias = conv2d_backward(grad_y, x, weight, stride, padding)
    return grad_x, conv2d_backward(grad_y[:1], x[:1], weight, stride, padding)[1], grad_bias


def mistake_weight_flipped(grad_y, x, weight, stride=1, padding=0):
    """grad_weight is turned round: its place (i, j) belongs to the pixels that weight[i, j] met."""
    grad_x, grad_weight, grad_bias = conv2d_backward(grad_y, x, weight, stride, padding)
    return grad_x, grad_weight[::-1, ::-1], grad_bias


def right_loops(g, x, weight, stride=1, padding=0):
    grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
    _, H, W, _ = x.shape
    for b, p, q, i, j in np.ndindex(*g.shape[:3], *weight.shape[:2]):
        h, w = p * stride + i - padding, q * stride + j - padding
        if 0 <= h < H and 0 <= w < W:
            grad_x[b, h, w] += weight[i, j] @ g[b, p, q]
            grad_weight[i, j] += np.outer(x[b, h, w], g[b, p, q])
    return grad_x, grad_weight, g.reshape(-1, g.shape[-1]).sum(axis=0)


def right_windows(grad_y, x, weight, stride=1, padding=0):
    kh, kw, _, _ = weight.shape
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
    grad_weight = np.einsum("bpqcij,bpqo->ijco", windows, grad_y)
    spread = np.einsum("bpqo,ijco->bpqijc", grad_y, weight)
    grad_padded = np.zeros_like(padded)
    for p, q in np.ndindex(grad_y.shape[1:3]):
        grad_padded[:, p * stride : p * stride + kh, q * stride : q * stride + kw] += spread[:, p, q]
    end_h, end_w = padding + x.shape[1], padding + x.shape[2]
    return [grad_padded[:, padding:end_h, padding:end_w], grad_weight, np.einsum("bpqo->o", grad_y)]
