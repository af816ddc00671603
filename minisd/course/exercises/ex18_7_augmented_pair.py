"""What the second network is shown, and what it must say

One step of its training. `x_0` of shape (B, H, W, C) are large pictures, their pixels laid into channels already
(18.6); `small` of shape (B, H, W, 1) are the small ones that belong to them. Two things get noise, each its own, and
each as much as its own time says:

$$x_t = \\sqrt{\\bar\\alpha_t}\\, x_0 + \\sqrt{1 - \\bar\\alpha_t}\\, \\varepsilon \\qquad \\mathrm{hint} =
\\sqrt{\\bar\\alpha_s}\\, \\mathrm{small} + \\sqrt{1 - \\bar\\alpha_s}\\, \\varepsilon'$$

t and s differ from picture to picture (B whole numbers each). The network sees x_t and behind its channels the hint,
and is to say $v = \\sqrt{\\bar\\alpha_t}\\, \\varepsilon - \\sqrt{1 - \\bar\\alpha_t}\\, x_0$. Return both.
"""

import numpy as np

from minisd.course import mine
from minisd.diffusion.prediction import target

POINTS, MINUTES = 2, 20
HINTS = (
    "The hint is noised once, by s; x_0 by t. What the network is asked for is about x_0 alone.",
    "add_noise from 09.3 does the mixing, twice: with (noise, t) and with (hint_noise, s).",
    "np.concatenate([x_t, hint], axis=-1), and v with alpha_bar[t] reshaped to (-1, 1, 1, 1).",
)
GIVEN = ("np", "mine", "add_noise")

add_noise = mine("09.3")


def augmented_pair(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The network's input, (B, H, W, C + 1), and v as wanted, (B, H, W, C)."""
    seen = np.concatenate([add_noise(x_0, noise, alpha_bar, t), add_noise(small, hint_noise, alpha_bar, s)], axis=-1)
    return seen, target("v", x_0, noise, *_rates(alpha_bar, t))


def cases(rng, dtype):
    for B, H, W, C, T in ((2, 3, 4, 4, 9), (3, 4, 2, 4, 12), (4, 2, 5, 1, 7), (1, 3, 3, 2, 5)):
        alpha_bar = np.sort(rng.uniform(0.02, 0.98, T))[::-1].astype(dtype)
        x_0, noise = (rng.standard_normal((B, H, W, C)).astype(dtype) for _ in range(2))
        small, hint_noise = (rng.standard_normal((B, H, W, 1)).astype(dtype) for _ in range(2))
        times = rng.permutation(T)
        yield x_0, small, noise, hint_noise, alpha_bar, times[:B], times[-B:] if 2 * B <= T else times[::-1][:B]


def probe(augmented_pair, *case):
    seen, wanted = augmented_pair(*case)
    return {"seen": seen, "wanted": wanted}


def _rates(alpha_bar, t):
    kept = alpha_bar[t].reshape(-1, 1, 1, 1)
    return np.sqrt(kept), np.sqrt(1 - kept)


def _mixed(x, noise, alpha_bar, t):
    a, b = _rates(alpha_bar, t)
    return a * x + b * noise


def _pair(x_0, small, noise, hint_noise, alpha_bar, t, s):
    a, b = _rates(alpha_bar, t)
    hint = _mixed(small, hint_noise, alpha_bar, s)
    return np.concatenate([a * x_0 + b * noise, hint], axis=-1), a * noise - b * x_0


def mistake_clean_hint(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The hint gets noise, too: shown clean pictures only, the network would believe every pixel of a drawing."""
    seen, wanted = _pair(x_0, small, noise, hint_noise, alpha_bar, t, s)
    return np.concatenate([seen[..., :-1], small], axis=-1), wanted


def mistake_one_time(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The hint's noise has a time of its own, s: with t it would vanish in noise whenever the picture does."""
    return _pair(x_0, small, noise, hint_noise, alpha_bar, t, t)


def mistake_times_exchanged(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """t belongs to the large picture, s to the hint."""
    return _pair(x_0, small, noise, hint_noise, alpha_bar, s, t)


def mistake_hint_first(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The hint comes behind the channels of x_t."""
    seen, wanted = _pair(x_0, small, noise, hint_noise, alpha_bar, t, s)
    return np.concatenate([seen[..., -1:], seen[..., :-1]], axis=-1), wanted


def mistake_same_noise(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The hint has a noise of its own: with the picture's it would tell the network what to subtract."""
    return _pair(x_0, small, noise, noise[..., :1], alpha_bar, t, s)


def mistake_wanted_noise(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """v is wanted, not the noise."""
    return _pair(x_0, small, noise, hint_noise, alpha_bar, t, s)[0], noise


def mistake_v_of_the_hint(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """v belongs to the large picture and its time t: the hint is given, and nobody asks for it."""
    a, b = _rates(alpha_bar, s)
    return _pair(x_0, small, noise, hint_noise, alpha_bar, t, s)[0], a * noise - b * x_0


def mistake_sign_of_v(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The sign of v: the noise counts plus, the picture minus."""
    seen, wanted = _pair(x_0, small, noise, hint_noise, alpha_bar, t, s)
    return seen, -wanted


def mistake_no_roots(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The factors are square roots of alpha_bar and of 1 - alpha_bar."""
    a, c = (alpha_bar[time].reshape(-1, 1, 1, 1) for time in (t, s))
    seen = np.concatenate([a * x_0 + (1 - a) * noise, c * small + (1 - c) * hint_noise], axis=-1)
    return seen, a * noise - (1 - a) * x_0


def mistake_added(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """The hint is laid beside x_t as a channel more, not added to its channels."""
    seen, wanted = _pair(x_0, small, noise, hint_noise, alpha_bar, t, s)
    return seen[..., :-1] + seen[..., -1:], wanted


def right_written_out(x_0, small, noise, hint_noise, alpha_bar, t, s):
    B, H, W, C = x_0.shape
    seen = np.zeros((B, H, W, C + 1), x_0.dtype)
    v = np.zeros_like(x_0)
    for b in range(B):
        p, q = alpha_bar[t[b]], alpha_bar[s[b]]
        seen[b, :, :, :C] = p**0.5 * x_0[b] + (1 - p) ** 0.5 * noise[b]
        seen[b, :, :, C:] = q**0.5 * small[b] + (1 - q) ** 0.5 * hint_noise[b]
        v[b] = p**0.5 * noise[b] - (1 - p) ** 0.5 * x_0[b]
    return seen, v


def right_by_angles(x_0, small, noise, hint_noise, alpha_bar, t, s):
    """alpha = cos, sigma = sin of an angle: then x_t turns from x_0 to the noise, and v is at a right angle to it."""
    angle = np.arccos(np.sqrt(alpha_bar))[:, None, None, None]
    x_t = np.cos(angle[t]) * x_0 + np.sin(angle[t]) * noise
    hint = np.cos(angle[s]) * small + np.sin(angle[s]) * hint_noise
    return np.concatenate((x_t, hint), axis=3), np.cos(angle[t]) * noise - np.sin(angle[t]) * x_0
