"""The picture behind the noise

A model looked at $x_t$ and said what the noise in it is. Write the function that gives the picture $x_0$ that follows
from it. Pixels lie between -1 and 1: with clip = 1 a guess outside is moved to the nearest of the two. Then the noise
is another, too, since both must still add up to $x_t$. So give back both, $x_0$ and the noise that belongs to it;
with clip None nothing is bounded.

x_t and noise_pred have the shape (B, H, W, C), alpha_bar has (B,): the $\\bar\\alpha_t$ of each.
"""

import numpy as np

from minisd.diffusion.prediction import x_0_and_noise

POINTS, MINUTES = 2, 15
HINTS = (
    "Solve x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise for x_0.",
    "After clipping x_0, solve the same equation for the noise.",
    "x_0 = (x_t - sigma noise) / alpha, clipped; then noise = (x_t - alpha x_0) / sigma.",
)


def read_noise(x_t, noise_pred, alpha_bar, clip=None):
    """x_0 and the noise, a pair of arrays shaped as x_t."""
    x_0, noise = [], []
    for x, predicted, share in zip(x_t, noise_pred, alpha_bar, strict=True):
        alpha, sigma = np.sqrt(share), np.sqrt(1 - share)
        found, _ = x_0_and_noise("noise", predicted, x, alpha, sigma)
        x_0.append(found if clip is None else found.clip(-clip, clip))
        noise.append((x - alpha * x_0[-1]) / sigma)
    return np.stack(x_0), np.stack(noise)


def cases(rng, dtype):
    for B, H, W, C, clip in ((2, 3, 4, 1, None), (3, 3, 3, 3, 1.0), (1, 2, 5, 2, 0.5), (4, 2, 4, 4, None)):
        x_t, noise_pred = (1.5 * rng.standard_normal((B, H, W, C)).astype(dtype) for _ in range(2))
        yield x_t, noise_pred, rng.uniform(0.05, 0.95, B).astype(dtype), clip


def mistake_not_divided(x_t, noise_pred, alpha_bar, clip=None):
    """What remains without the noise is sqrt(alpha_bar) x_0: divide by that root."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    x_0 = x_t - np.sqrt(1 - a) * noise_pred
    x_0 = x_0 if clip is None else np.clip(x_0, -clip, clip)
    return x_0, (x_t - np.sqrt(a) * x_0) / np.sqrt(1 - a)


def mistake_old_noise(x_t, noise_pred, alpha_bar, clip=None):
    """Where x_0 was clipped the noise is another one, since both still add up to x_t: work it out from the new x_0."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    x_0 = (x_t - np.sqrt(1 - a) * noise_pred) / np.sqrt(a)
    return (x_0 if clip is None else np.clip(x_0, -clip, clip)), noise_pred


def mistake_never_clipped(x_t, noise_pred, alpha_bar, clip=None):
    """x_0 is to lie between -clip and clip, if a clip is given."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    return (x_t - np.sqrt(1 - a) * noise_pred) / np.sqrt(a), noise_pred


def mistake_no_roots(x_t, noise_pred, alpha_bar, clip=None):
    """alpha_bar is a share of the variance: its square root belongs here, and that of 1 - alpha_bar."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    x_0 = (x_t - (1 - a) * noise_pred) / a
    x_0 = x_0 if clip is None else np.clip(x_0, -clip, clip)
    return x_0, (x_t - a * x_0) / (1 - a)


def mistake_noise_added(x_t, noise_pred, alpha_bar, clip=None):
    """The noise is taken away from x_t, not added."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    x_0 = (x_t + np.sqrt(1 - a) * noise_pred) / np.sqrt(a)
    x_0 = x_0 if clip is None else np.clip(x_0, -clip, clip)
    return x_0, (x_t - np.sqrt(a) * x_0) / np.sqrt(1 - a)


def mistake_clipped_to_1(x_t, noise_pred, alpha_bar, clip=None):
    """The bound is clip, and without a clip there is none: you always bound x_0 by 1."""
    a = alpha_bar.reshape(-1, 1, 1, 1)
    x_0 = np.clip((x_t - np.sqrt(1 - a) * noise_pred) / np.sqrt(a), -1, 1)
    return x_0, (x_t - np.sqrt(a) * x_0) / np.sqrt(1 - a)


def right_vectorised(x_t, noise_pred, alpha_bar, clip=None):
    a = alpha_bar[:, None, None, None]
    alpha, sigma = np.sqrt(a), np.sqrt(1 - a)
    x_0 = (x_t - sigma * noise_pred) / alpha
    if clip is None:
        return x_0, noise_pred
    x_0 = np.maximum(-clip, np.minimum(x_0, clip))
    return x_0, (x_t - alpha * x_0) / sigma


def right_by_ratios(z, e, share, clip=None):
    share = share.reshape(-1, 1, 1, 1)
    ratio = np.sqrt(1 / share - 1)
    picture = z / np.sqrt(share) - ratio * e
    if clip is not None:
        picture[picture > clip] = clip
        picture[picture < -clip] = -clip
    return picture, (z / np.sqrt(share) - picture) / ratio
