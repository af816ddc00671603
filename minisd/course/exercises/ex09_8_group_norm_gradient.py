"""The gradient of group norm

With $\\hat x = (x - \\mu) / \\sqrt{\\sigma^2 + \\epsilon}$ a group norm is $y = \\gamma \\hat x + \\beta$. In $\\hat
x$ every value of a group depends on every other, through $\\mu$ and $\\sigma^2$. So the gradient in $x$ has three
parts: one straight through, one through the mean, one through the variance.

Given grad_y, the gradient of a loss in $y$, of the shape (B, H, W, C) of x, write the function that gives the gradients
in x, gamma and beta. Derive them first: with $d = \\gamma \\cdot$ grad_y, what do the three parts add up to?
"""

import numpy as np
from minisd_kernels import group_norm as kernel
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 10, 120
HINTS = (
    "gamma and beta are the easy ones: each meets all pictures and pixels of its channel. Sum grad_y x_hat, or grad_y.",
    "Adding a number to a whole group changes no x_hat, nor does stretching the group, but for eps. So the gradient in "
    "x has nothing of these two directions: two means over the group take them out of d.",
    "grad_x = (d - mean(d) - x_hat mean(d x_hat)) / sqrt(variance + eps), each mean over a group's pixels, channels.",
)


def group_norm_gradient(grad_y, x, gamma, beta, groups, eps=1e-5):
    """grad_x, grad_gamma and grad_beta, shaped as x, gamma and beta."""
    with use_backend("numpy"):
        _, mean, rstd = kernel.forward(x, gamma, beta, groups=groups, eps=eps)
        return kernel.backward(grad_y, x, gamma, beta, mean, rstd, groups=groups)


def cases(rng, dtype):
    for *shape, groups, eps in (
        (2, 3, 4, 6, 3, 1e-5),
        (1, 2, 2, 4, 1, 1e-5),
        (3, 2, 3, 4, 4, 1e-2),
        (2, 4, 3, 6, 2, 0.1),
        (2, 1, 2, 8, 2, 1e-5),
    ):
        C = shape[-1]
        x = (rng.uniform(0.3, 3, C) * rng.standard_normal(shape) + rng.standard_normal(C)).astype(dtype)
        gamma, beta = (rng.standard_normal(C).astype(dtype) for _ in range(2))
        yield (rng.standard_normal(shape) + 0.5).astype(dtype), x, gamma, beta, groups, eps
    yield (rng.standard_normal(shape) + 0.5).astype(dtype), (0.01 * x).astype(dtype), gamma, beta, 4


def _parts(grad_y, x, gamma, groups, eps, axes=(1, 2, 4)):
    """d, x_hat and 1 / deviation, with an axis for the groups; then the gradients in gamma and beta."""
    grouped = x.reshape(*x.shape[:3], groups, -1)
    rstd = 1 / np.sqrt(grouped.var(axis=axes, keepdims=True) + eps)
    x_hat = (grouped - grouped.mean(axis=axes, keepdims=True)) * rstd
    d = (grad_y * gamma).reshape(grouped.shape)
    return d, x_hat, rstd, (grad_y * x_hat.reshape(x.shape)).sum(axis=(0, 1, 2)), grad_y.sum(axis=(0, 1, 2))


def _mean(values, axes=(1, 2, 4)):
    return values.mean(axis=axes, keepdims=True)


def mistake_no_variance(grad_y, x, gamma, beta, groups, eps=1e-5):
    """x changes the group's variance, too: the part x_hat mean(d x_hat) is missing."""
    d, _, rstd, grad_gamma, grad_beta = _parts(grad_y, x, gamma, groups, eps)
    return (rstd * (d - _mean(d))).reshape(x.shape), grad_gamma, grad_beta


def mistake_straight_through(grad_y, x, gamma, beta, groups, eps=1e-5):
    """You hold mean and variance fixed; x changes both of them."""
    d, _, rstd, grad_gamma, grad_beta = _parts(grad_y, x, gamma, groups, eps)
    return (rstd * d).reshape(x.shape), grad_gamma, grad_beta


def mistake_no_mean(grad_y, x, gamma, beta, groups, eps=1e-5):
    """x changes the group's mean, too: the part mean(d) is missing."""
    d, x_hat, rstd, grad_gamma, grad_beta = _parts(grad_y, x, gamma, groups, eps)
    return (rstd * (d - x_hat * _mean(d * x_hat))).reshape(x.shape), grad_gamma, grad_beta


def mistake_gamma_forgotten(grad_y, x, gamma, beta, groups, eps=1e-5):
    """grad_y passes gamma on its way to x_hat: multiply it by gamma before the means."""
    d, x_hat, rstd, grad_gamma, grad_beta = _parts(grad_y, x, np.ones_like(gamma), groups, eps)
    return (rstd * (d - _mean(d) - x_hat * _mean(d * x_hat))).reshape(x.shape), grad_gamma, grad_beta


def mistake_gamma_last(grad_y, x, gamma, beta, groups, eps=1e-5):
    """gamma belongs under the means: the channels of a group have different ones."""
    d, x_hat, rstd, grad_gamma, grad_beta = _parts(grad_y, x, np.ones_like(gamma), groups, eps)
    return gamma * (rstd * (d - _mean(d) - x_hat * _mean(d * x_hat))).reshape(x.shape), grad_gamma, grad_beta


def mistake_not_divided(grad_y, x, gamma, beta, groups, eps=1e-5):
    """x_hat is x divided by the deviation, and so is the gradient in x."""
    d, x_hat, _, grad_gamma, grad_beta = _parts(grad_y, x, gamma, groups, eps)
    return (d - _mean(d) - x_hat * _mean(d * x_hat)).reshape(x.shape), grad_gamma, grad_beta


def mistake_mean_over_batch(grad_y, x, gamma, beta, groups, eps=1e-5):
    """gamma and beta meet every picture and pixel: their gradients are sums over these, not means."""
    d, x_hat, rstd, grad_gamma, grad_beta = _parts(grad_y, x, gamma, groups, eps)
    count = x[..., 0].size
    grad_x = rstd * (d - _mean(d) - x_hat * _mean(d * x_hat))
    return grad_x.reshape(x.shape), grad_gamma / count, grad_beta / count


def mistake_whole_batch(grad_y, x, gamma, beta, groups, eps=1e-5):
    """The means run over one picture's group; yours run over the batch, too."""
    d, x_hat, rstd, grad_gamma, grad_beta = _parts(grad_y, x, gamma, groups, eps, axes=(0, 1, 2, 4))
    axes = (0, 1, 2, 4)
    grad_x = rstd * (d - _mean(d, axes) - x_hat * _mean(d * x_hat, axes))
    return grad_x.reshape(x.shape), grad_gamma, grad_beta


def right_loops(grad_y, x, gamma, beta, groups, eps=1e-5):
    grad_x, grad_gamma, grad_beta = np.zeros_like(x), np.zeros_like(gamma), np.zeros_like(beta)
    size = x.shape[-1] // groups
    for b in range(len(x)):
        for g in range(groups):
            own = slice(g * size, (g + 1) * size)
            values, up = x[b, :, :, own], grad_y[b, :, :, own]
            root = np.sqrt(values.var() + eps)
            unit = (values - values.mean()) / root
            grad_gamma[own] += (up * unit).sum(axis=(0, 1))
            grad_beta[own] += up.sum(axis=(0, 1))
            up = up * gamma[own]
            grad_x[b, :, :, own] = (up - up.mean() - unit * (up * unit).mean()) / root
    return grad_x, grad_gamma, grad_beta


def right_step_by_step(grad_y, x, gamma, beta, groups, eps=1e-5):
    B, H, W, C = x.shape
    rows = x.reshape(B, H * W, groups, C // groups).transpose(0, 2, 1, 3).reshape(B, groups, -1)
    n = rows.shape[-1]
    centred = rows - rows.sum(axis=-1, keepdims=True) / n
    variance = (centred**2).sum(axis=-1, keepdims=True) / n
    inverse = (variance + eps) ** -0.5

    def back(values):
        return values.reshape(B, groups, H * W, C // groups).transpose(0, 2, 1, 3).reshape(x.shape)

    grad_hat = (grad_y * gamma).reshape(B, H * W, groups, C // groups).transpose(0, 2, 1, 3).reshape(rows.shape)
    grad_inverse = (grad_hat * centred).sum(axis=-1, keepdims=True)
    grad_variance = -0.5 * inverse**3 * grad_inverse
    grad_centred = grad_hat * inverse + 2 * centred / n * grad_variance
    grad_rows = grad_centred - grad_centred.sum(axis=-1, keepdims=True) / n
    return back(grad_rows), (grad_y * back(centred * inverse)).sum(axis=(0, 1, 2)), grad_y.sum(axis=(0, 1, 2))
