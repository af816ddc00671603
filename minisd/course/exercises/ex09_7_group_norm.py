"""Group norm

The channels of each picture are split into groups of neighbours. Every group, with all its pixels, is shifted to mean 0
and stretched to variance 1; then each channel gets a scale and a shift of its own (Wu and He, 2018):

$$y = \\gamma\\, \\frac{x - \\mu}{\\sqrt{\\sigma^2 + \\epsilon}} + \\beta$$

$\\mu$ and $\\sigma^2$ are the mean and the variance of the group, $\\sigma^2$ with the number of its values below the
line. Write it for x of shape (B, H, W, C); gamma and beta have the shape (C,).
"""

import numpy as np
from minisd_kernels import group_norm as kernel
from minisd_kernels.backends import use_backend

POINTS, MINUTES = 3, 25
HINTS = (
    "How many means are there? One for each picture and group: B times groups.",
    "Reshape x to (B, H, W, groups, C // groups). Over which axes is a mean?",
    "Axes 1, 2 and 4, with keepdims=True; then reshape back to (B, H, W, C) before gamma and beta.",
)


def group_norm(x, gamma, beta, groups, eps=1e-5):
    """The normalised pictures, of the shape of x."""
    with use_backend("numpy"):
        return kernel.forward(x, gamma, beta, groups=groups, eps=eps)[0]


def cases(rng, dtype):
    for *shape, groups, eps in (
        (2, 3, 4, 6, 3, 1e-5),
        (1, 2, 2, 4, 1, 1e-5),
        (3, 2, 3, 4, 4, 1e-3),
        (2, 4, 3, 6, 2, 0.1),
        (2, 1, 2, 8, 2, 1e-5),
    ):
        C = shape[-1]
        x = (rng.uniform(0.1, 3, C) * rng.standard_normal(shape) + rng.standard_normal(C)).astype(dtype)
        gamma, beta = (rng.standard_normal(C).astype(dtype) for _ in range(2))
        yield x, gamma, beta, groups, eps
    yield (0.01 * x).astype(dtype), gamma, beta, 4
    yield np.full((1, 2, 2, 8), 3.0, dtype), gamma, beta, 2


def _normalised(x, groups, eps, axes=(1, 2, 4), ddof=0):
    grouped = x.reshape(*x.shape[:3], groups, -1)
    mean = grouped.mean(axis=axes, keepdims=True)
    variance = grouped.var(axis=axes, keepdims=True, ddof=ddof)
    return ((grouped - mean) / np.sqrt(variance + eps)).reshape(x.shape)


def mistake_batch(x, gamma, beta, groups, eps=1e-5):
    """Every picture has means of its own: you average over the batch, too, which is batch norm."""
    return gamma * _normalised(x, groups, eps, axes=(0, 1, 2, 4)) + beta


def mistake_one_group(x, gamma, beta, groups, eps=1e-5):
    """Each group has a mean of its own: you take one over all channels."""
    return gamma * _normalised(x, 1, eps) + beta


def mistake_each_pixel(x, gamma, beta, groups, eps=1e-5):
    """A mean runs over all pixels of the group: you take one for each pixel."""
    return gamma * _normalised(x, groups, eps, axes=(4,)) + beta


def mistake_channels_apart(x, gamma, beta, groups, eps=1e-5):
    """A group's channels are neighbours: you take every groups-th one together."""
    B, H, W, C = x.shape
    grouped = x.reshape(B, H, W, C // groups, groups)
    mean, variance = (f(grouped, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
    return gamma * ((grouped - mean) / np.sqrt(variance + eps)).reshape(x.shape) + beta


def mistake_eps_outside(x, gamma, beta, groups, eps=1e-5):
    """eps is added to the variance, under the root: you add it to the root."""
    B, H, W, C = x.shape
    grouped = x.reshape(B, H, W, groups, C // groups)
    mean, deviation = (f(grouped, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.std))
    return gamma * ((grouped - mean) / (deviation + eps)).reshape(x.shape) + beta


def mistake_one_less(x, gamma, beta, groups, eps=1e-5):
    """The variance has the number of values below the line, not one less."""
    return gamma * _normalised(x, groups, eps, ddof=1) + beta


def mistake_no_gamma(x, gamma, beta, groups, eps=1e-5):
    """In the end each channel is multiplied by gamma, and beta is added."""
    return _normalised(x, groups, eps)


def mistake_fixed_eps(x, gamma, beta, groups, eps=1e-5):
    """eps is an argument: it need not be 1e-5."""
    return gamma * _normalised(x, groups, 1e-5) + beta


def right_loops(x, gamma, beta, groups, eps=1e-5):
    y = np.empty_like(x)
    size = x.shape[-1] // groups
    for b in range(len(x)):
        for g in range(groups):
            part = slice(g * size, (g + 1) * size)
            values = x[b, :, :, part]
            variance = ((values - values.mean()) ** 2).mean()
            y[b, :, :, part] = gamma[part] * (values - values.mean()) / np.sqrt(variance + eps) + beta[part]
    return y


def right_moments(x, gamma, beta, groups, eps=1e-5):
    B, H, W, C = x.shape
    rows = np.moveaxis(x.reshape(B, H * W, groups, C // groups), 2, 1).reshape(B * groups, -1).astype(np.float64)
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows /= np.sqrt((rows * rows).mean(axis=1, keepdims=True) + eps)
    y = np.moveaxis(rows.reshape(B, groups, H * W, C // groups), 1, 2).reshape(x.shape)
    return y * gamma + beta
