r"""The gradient of softmax

$$y_d = \frac{e^{x_d}}{\sum_k e^{x_k}} \qquad\text{has}\qquad
\frac{\partial y_k}{\partial x_d} = y_k\,(\delta_{kd} - y_d)$$

so every x of a row moves every y of it. Multiply by the gradient of y and sum over k: write what remains, from y alone.
Softmax is over the last axis; the rows do not know each other.
"""

import numpy as np
from minisd_kernels import softmax as library
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 3, 30
HINTS = (
    "Write the sum over k on paper: it falls into two terms, and one of them has a single k left.",
    "grad_x_d = y_d grad_y_d - y_d * (the sum over k of y_k grad_y_k). The sum is one number a row.",
    "Sum along the last axis with keepdims=True, so that it lies along its row again; y is common to both terms.",
)


def softmax_backward(grad_y, y):
    """The gradient by x; all shapes are (..., D)."""
    with use_backend("numpy"):
        return library.backward(grad_y, y)


def cases(rng, dtype):
    for shape in ((4,), (3, 5), (4, 4), (2, 3, 4), (2, 1), (2, 2, 2, 3)):
        powers = np.exp(rng.standard_normal(shape))
        yield (rng.standard_normal(shape) + 0.5).astype(dtype), (powers / powers.sum(-1, keepdims=True)).astype(dtype)


def mistake_diagonal_only(grad_y, y):
    """That is y (1 - y), as of a sigmoid: but each x moves the other y of its row, too."""
    return grad_y * y * (1 - y)


def mistake_like_exp(grad_y, y):
    """That is the gradient of e^x. The row's sum, by which softmax divides, changes with x, too."""
    return grad_y * y


def mistake_all_rows(grad_y, y):
    """The sum is over one row; yours is over all of them."""
    return y * (grad_y - (grad_y * y).sum())


def mistake_first_axis(grad_y, y):
    """The sum is along the last axis; yours is along the first one."""
    return y * (grad_y - (grad_y * y).sum(axis=0, keepdims=True))


def mistake_unweighted(grad_y, y):
    """Under the sum each gradient is multiplied with its own y."""
    return y * (grad_y - grad_y.sum(axis=-1, keepdims=True))


def mistake_mean(grad_y, y):
    """Under the sum stands a sum, not a mean."""
    return y * (grad_y - (grad_y * y).mean(axis=-1, keepdims=True))


def mistake_y_outside(grad_y, y):
    """The sum is multiplied by y, too: take it off inside the brackets."""
    return y * grad_y - (grad_y * y).sum(axis=-1, keepdims=True)


def mistake_sign(grad_y, y):
    """The sum is subtracted; yours is added."""
    return y * (grad_y + (grad_y * y).sum(axis=-1, keepdims=True))


def right_jacobian(g, y):
    jacobian = y[..., :, None] * (np.eye(y.shape[-1], dtype=y.dtype) - y[..., None, :])
    return np.einsum("...k,...kd->...d", g, jacobian)


def right_row_by_row(grad_y, y):
    out = np.empty_like(y)
    for row in np.ndindex(*y.shape[:-1]):
        out[row] = y[row] * grad_y[row] - y[row] * np.dot(y[row], grad_y[row])
    return out
