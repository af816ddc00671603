"""Begin on the way

Image-to-image draws on from a picture instead of from noise alone (Meng et al. 2022, SDEdit). The picture gets the
noise of a time t and is then denoised as always. How far back t lies is the strength $s$, from 0 to 1: with $T$ times
in the schedule and a whole way of $n$ steps,

$$t = \\max(0,\\ \\text{round}(T s) - 1), \\qquad x_t = \\alpha_t x_0 + \\sigma_t\\, \\text{noise}, \\qquad
\\max(1,\\ \\text{round}(n s)) \\text{ steps from there}$$

Strength 1 leaves nothing of the picture: there $x_t$ is the noise itself, at $t = T - 1$, with no trace of $x_0$. The
tables alpha and sigma have the shape (T,); round is Python's.
"""

import numpy as np

from minisd.diffusion.schedule import NoiseSchedule

POINTS, MINUTES = 2, 15
HINTS = (
    "T is the length of the tables. What is t at strength 1, and what at strength 0?",
    "Three results: x_t by the formula of the noise, t, and the number of steps. Strength 1 is a case of its own.",
    "t = max(0, round(len(alpha) * strength) - 1); x_t = alpha[t] * x_0 + sigma[t] * noise, but noise at strength 1.",
)


def begin(x_0, noise, alpha, sigma, strength, steps=50):
    """x_t to start from, shaped as x_0; its t, a whole number; and the number of steps that are taken from there."""
    count = max(1, round(steps * strength))
    if strength == 1:
        return noise, len(alpha) - 1, count
    t = max(round(strength * len(alpha)), 1) - 1
    return NoiseSchedule(alpha, sigma).add_noise(x_0, noise, t), t, count


def cases(rng, dtype):
    for T, strength, steps in (
        (10, 0.5, 50),
        (10, 1, 50),
        (10, 0, 50),
        (10, 0.3, 20),
        (40, 0.66, 7),
        (25, 0.9, 3),
        (1000, 0.6, 50),
        (1000, 0.02, 20),
        (8, 0.125, 50),
        (30, float(rng.uniform(0.2, 0.8)), int(rng.integers(20, 90))),
    ):
        schedule = NoiseSchedule.of_betas(rng.uniform(0.2, 1, T) * min(0.5, 4 / T))
        x_0, noise = rng.standard_normal((2, 2, 2, 3, 1)).astype(dtype)
        yield x_0, noise, np.array(schedule.alpha), np.array(schedule.sigma), strength, steps


def _at(x_0, noise, alpha, sigma, t):
    return noise if t == len(alpha) - 1 else alpha[t] * x_0 + sigma[t] * noise


def _time(alpha, strength):
    return max(0, round(len(alpha) * strength) - 1)


def mistake_kept(x_0, noise, alpha, sigma, strength, steps=50):
    """Strength is how much is drawn anew: at strength 0.9 you leave nine tenths as they are."""
    t = _time(alpha, 1 - strength)
    return _at(x_0, noise, alpha, sigma, t), t, max(1, round(steps * (1 - strength)))


def mistake_all_steps(x_0, noise, alpha, sigma, strength, steps=50):
    """From the middle of the way only a part of the steps is left to take: the strength's share of them."""
    t = _time(alpha, strength)
    return _at(x_0, noise, alpha, sigma, t), t, steps


def mistake_exchanged(x_0, noise, alpha, sigma, strength, steps=50):
    """alpha belongs to the picture, sigma to the noise: yours are exchanged."""
    t = _time(alpha, strength)
    x_t = noise if strength == 1 else sigma[t] * x_0 + alpha[t] * noise
    return x_t, t, max(1, round(steps * strength))


def mistake_no_noise(x_0, noise, alpha, sigma, strength, steps=50):
    """The picture needs the noise of that t: the network expects it, and has nothing to draw from without it."""
    return noise if strength == 1 else x_0, _time(alpha, strength), max(1, round(steps * strength))


def mistake_noise_on_top(x_0, noise, alpha, sigma, strength, steps=50):
    """The picture fades as the noise comes: multiply it by alpha."""
    t = _time(alpha, strength)
    x_t = noise if strength == 1 else x_0 + sigma[t] * noise
    return x_t, t, max(1, round(steps * strength))


def mistake_not_less_1(x_0, noise, alpha, sigma, strength, steps=50):
    """t counts from 0 to T - 1: subtract 1."""
    t = min(round(len(alpha) * strength), len(alpha) - 1)
    return _at(x_0, noise, alpha, sigma, t), t, max(1, round(steps * strength))


def mistake_trace(x_0, noise, alpha, sigma, strength, steps=50):
    """Strength 1 leaves nothing: x_t is the noise itself there, without the trace that alpha at T - 1 still lets in."""
    t = _time(alpha, strength)
    return alpha[t] * x_0 + sigma[t] * noise, t, max(1, round(steps * strength))


def mistake_no_step(x_0, noise, alpha, sigma, strength, steps=50):
    """One step at least is taken, and t is 0 at least: look at strength 0, where index -1 is the noisiest t."""
    t = round(len(alpha) * strength) - 1
    x_t = noise if strength == 1 else alpha[t] * x_0 + sigma[t] * noise
    return x_t, t, round(steps * strength)


def mistake_rounded_down(x_0, noise, alpha, sigma, strength, steps=50):
    """Round to the nearest number, not down."""
    t = max(0, int(len(alpha) * strength) - 1)
    return _at(x_0, noise, alpha, sigma, t), t, max(1, int(steps * strength))


def right_masked(x_0, noise, alpha, sigma, strength, steps=50):
    place = int(np.rint(strength * alpha.size)) - 1
    place = place if place > 0 else 0
    a, s = (0.0, 1.0) if strength == 1 else (alpha[place], sigma[place])
    return a * x_0 + s * noise, place, int(max(np.rint(strength * steps), 1))


def right_loop(picture, noise, alpha, sigma, s, n=50):
    T = len(alpha)
    t = 0 if T * s < 1.5 else round(T * s) - 1
    start = np.empty_like(picture)
    for at in np.ndindex(picture.shape):
        start[at] = noise[at] if s == 1 else picture[at] * alpha[t] + noise[at] * sigma[t]
    return start, t, round(n * s) or 1
