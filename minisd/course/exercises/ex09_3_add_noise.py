"""Noise to a picture, in one step

$$x_t = \\sqrt{\\bar\\alpha_t}\\, x_0 + \\sqrt{1 - \\bar\\alpha_t}\\, \\varepsilon$$

In a batch every picture has a $t$ of its own. Write the function that mixes pictures x_0 of shape (B, H, W, C) with
noise of that shape; alpha_bar has the shape (T,), and t holds B whole numbers from 0 to T - 1.
"""

import numpy as np

from minisd.diffusion.schedule import NoiseSchedule

POINTS, MINUTES = 1, 10
HINTS = (
    "alpha_bar[t] has the shape (B,). Which axis of x_0 must it lie along?",
    "NumPy lines shapes up at their ends: (B,) would lie along the channels. Give it three axes of 1 more.",
    "Index alpha_bar with t, reshape to (-1, 1, 1, 1), and take both roots of it.",
)


def add_noise(x_0, noise, alpha_bar, t):
    """The noised pictures x_t, of the shape and the type of x_0."""
    return _schedule(alpha_bar).add_noise(x_0, noise, t)


def _schedule(alpha_bar):
    before = np.concatenate([np.ones(1), alpha_bar[:-1]])
    return NoiseSchedule.of_betas(1 - alpha_bar / before)


def cases(rng, dtype):
    for B, H, W, C, T in ((2, 3, 4, 1, 5), (4, 4, 4, 4, 9), (1, 2, 5, 3, 3), (3, 3, 3, 3, 20)):
        alpha_bar = np.sort(rng.uniform(0.02, 0.98, T))[::-1].astype(dtype)
        x_0, noise = (rng.standard_normal((B, H, W, C)).astype(dtype) for _ in range(2))
        yield x_0, noise, alpha_bar, rng.permutation(T)[:B]


def mistake_no_roots(x_0, noise, alpha_bar, t):
    """alpha_bar is a share of the variance: picture and noise are multiplied by square roots."""
    a = alpha_bar[t].reshape(-1, 1, 1, 1)
    return a * x_0 + (1 - a) * noise


def mistake_amplitudes_add_up(x_0, noise, alpha_bar, t):
    """The squares of the two factors add up to 1, not the factors: the noise's is sqrt(1 - alpha_bar)."""
    a = np.sqrt(alpha_bar[t]).reshape(-1, 1, 1, 1)
    return a * x_0 + (1 - a) * noise


def mistake_first_t(x_0, noise, alpha_bar, t):
    """Every picture has a t of its own: you take the first one's for all."""
    a = alpha_bar[t[0]]
    return np.sqrt(a) * x_0 + np.sqrt(1 - a) * noise


def mistake_exchanged(x_0, noise, alpha_bar, t):
    """Picture and noise are exchanged: alpha_bar is what is left of the picture."""
    a = alpha_bar[t].reshape(-1, 1, 1, 1)
    return np.sqrt(1 - a) * x_0 + np.sqrt(a) * noise


def mistake_along_channels(x_0, noise, alpha_bar, t):
    """alpha_bar[t] belongs along the batch, the first axis; as it is, NumPy lays it along the last one."""
    a = alpha_bar[t]
    return np.sqrt(a) * x_0 + np.sqrt(1 - a) * noise


def mistake_t_counted_from_1(x_0, noise, alpha_bar, t):
    """t is an index already, counted from 0: you look one place too early."""
    a = alpha_bar[t - 1].reshape(-1, 1, 1, 1)
    return np.sqrt(a) * x_0 + np.sqrt(1 - a) * noise


def right_loop(x_0, noise, alpha_bar, t):
    result = np.zeros_like(x_0)
    for b, time in enumerate(t):
        result[b] = alpha_bar[time] ** 0.5 * x_0[b] + (1 - alpha_bar[time]) ** 0.5 * noise[b]
    return result


def right_einsum(x_0, noise, alpha_bar, t):
    kept = np.sqrt(alpha_bar)[t]
    added = np.sqrt(1 - alpha_bar)[t]
    return np.einsum("b,bhwc->bhwc", kept, x_0) + np.einsum("b,bhwc->bhwc", added, noise)
