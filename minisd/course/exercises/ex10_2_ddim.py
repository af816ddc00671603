"""A sampler: DDIM

Write a sampler that the library can run. It is a generator: it walks x_T down through the times, and after each step
yields the new x and the x_0 that was predicted. It is given

- denoise(x_t, t), which asks the model and gives a pair, x_0 and the noise;
- x_T, the start, and the schedule: schedule.alpha_bar_at(t), which is 1 at t = -1, the clean picture;
- timesteps, a falling list of t; the last step ends at t = -1;
- fresh_noise(), which draws noise shaped as x_T;
- eta, DDIM's own option, from 0 (nothing random) to 1 (as much as DDPM).

A step from $\\bar\\alpha$ to $\\bar\\alpha'$ (Song et al. 2021, equations 12 and 16):

$$x' = \\sqrt{\\bar\\alpha'}\\, x_0 + \\sqrt{1 - \\bar\\alpha' - \\sigma^2}\\, \\varepsilon + \\sigma z, \\qquad
\\sigma = \\eta \\sqrt{\\frac{1 - \\bar\\alpha'}{1 - \\bar\\alpha}} \\sqrt{1 - \\frac{\\bar\\alpha}{\\bar\\alpha'}}$$

with $\\varepsilon$ the predicted noise and $z$ fresh noise, which is drawn once a step, and only where eta is above 0.

Draw a digit with it: `minisd draw "a seven" --with exercises/ex10_2_ddim.py`.
"""

import math

import numpy as np

from minisd.diffusion.samplers.ddim import ddim as library
from minisd.diffusion.schedule import NoiseSchedule

POINTS, MINUTES = 4, 40
GIVEN = ("np", "math", "NoiseSchedule")
HINTS = (
    "Pairs of a t and the next one: itertools.pairwise([*timesteps, -1]).",
    "In the loop: ask denoise at x_t and t, mix by the formula, yield the new x and x_0. Then the new x is x_t.",
    "Call alpha_bar_at(t) a and alpha_bar_at(t_prev) b; sigma = eta * math.sqrt((1 - b) / (1 - a) * "
    "(1 - a / b)); x_t = sqrt(b) x_0 + sqrt(1 - b - sigma**2) noise + sigma * fresh.",
)


def ddim(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """Yields (x, x_0_pred) once a step."""
    yield from library(denoise, x_T, schedule, timesteps, fresh_noise, eta)


def cases(rng, dtype):
    for eta, timesteps in ((0.0, [9, 6, 3]), (1.0, [9, 4, 0]), (0.5, [8, 7, 2]), (0.0, [5]), (0.7, [9, 8, 7, 1])):
        yield rng.standard_normal((2, 2, 3, 1)).astype(dtype), rng.uniform(0.05, 0.4, 10), timesteps, eta, 0


def probe(ddim, x_T, betas, timesteps, eta, seed):
    schedule, rng, asked = NoiseSchedule(betas), np.random.default_rng(seed), []

    def denoise(x_t, t):
        asked.append(t)
        noise = np.sin(x_t + 0.1 * t).astype(x_t.dtype)
        return schedule.x_0_from_noise(x_t, noise, t), noise

    def fresh_noise():
        return rng.standard_normal(x_T.shape).astype(x_T.dtype)

    options = {"eta": eta} if eta else {}
    steps = [[np.array(x), np.array(x_0)] for x, x_0 in ddim(denoise, x_T, schedule, timesteps, fresh_noise, **options)]
    return {"steps": steps, "asked at t": asked, "left in the random stream": rng.standard_normal()}


def _walk(denoise, x_T, schedule, pairs, fresh_noise, eta, step):
    x_t = x_T
    for t, t_prev in pairs:
        x_0, noise = denoise(x_t, t)
        a, b = schedule.alpha_bar_at(t), schedule.alpha_bar_at(t_prev)
        fresh = fresh_noise() if eta > 0 else 0.0
        x_t = step(x_t, x_0, noise, fresh, a, b, eta * math.sqrt((1 - b) / (1 - a) * (1 - a / b)))
        yield x_t, x_0


def _pairs(timesteps):
    return zip(timesteps, [*timesteps[1:], -1], strict=True)


def mistake_never_clean(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """The last step goes from the last t to -1, the clean picture: you stop before it."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return math.sqrt(b) * x_0 + math.sqrt(1 - b - sigma**2) * noise + sigma * fresh

    return _walk(denoise, x_T, schedule, list(_pairs(timesteps))[:-1], fresh_noise, eta, step)


def mistake_same_direction(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """Where fresh noise comes in, the old one gets less: 1 - alpha_bar - sigma^2 stands under its root."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return math.sqrt(b) * x_0 + math.sqrt(1 - b) * noise + sigma * fresh

    return _walk(denoise, x_T, schedule, _pairs(timesteps), fresh_noise, eta, step)


def mistake_eta_ignored(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """With eta above 0 fresh noise is drawn and added in every step."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return math.sqrt(b) * x_0 + math.sqrt(1 - b) * noise

    return _walk(denoise, x_T, schedule, _pairs(timesteps), fresh_noise, 0.0, step)


def mistake_alpha_bar_of_t(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """x_0 and noise are mixed for the t that the step goes to: you take the one it comes from."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return math.sqrt(a) * x_0 + math.sqrt(1 - a - sigma**2) * noise + sigma * fresh

    return _walk(denoise, x_T, schedule, _pairs(timesteps), fresh_noise, eta, step)


def mistake_variance_as_factor(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """sigma is a deviation, and under the root stands its square."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return math.sqrt(b) * x_0 + math.sqrt(max(0, 1 - b - sigma)) * noise + sigma * fresh

    return _walk(denoise, x_T, schedule, _pairs(timesteps), fresh_noise, eta, step)


def mistake_always_from_the_start(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """Each step begins where the last one ended: you ask about x_T again and again."""
    return _walk(
        lambda x_t, t: denoise(x_T, t), x_T, schedule, _pairs(timesteps), fresh_noise, eta,
        lambda x_t, x_0, noise, fresh, a, b, s: math.sqrt(b) * x_0 + math.sqrt(1 - b - s**2) * noise + s * fresh,
    )  # fmt: skip


def mistake_no_roots(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """alpha_bar is a share of the variance: x_0 and noise are multiplied by square roots."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return b * x_0 + (1 - b - sigma**2) * noise + sigma * fresh

    return _walk(denoise, x_T, schedule, _pairs(timesteps), fresh_noise, eta, step)


def mistake_always_random(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    """With eta = 0 nothing is drawn: a random stream must not be moved for nothing."""

    def step(x_t, x_0, noise, fresh, a, b, sigma):
        return math.sqrt(b) * x_0 + math.sqrt(1 - b - sigma**2) * noise + sigma * fresh

    draw = fresh_noise if eta else lambda: fresh_noise() * 0
    return _walk(denoise, x_T, schedule, _pairs(timesteps), draw, eta or 1e-300, step)


def right_recursive(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    t, *later = timesteps
    now, then = schedule.alpha_bar_at(t), schedule.alpha_bar_at(later[0] if later else -1)
    picture, noise = denoise(x_T, t)
    variance = eta**2 * (1 - then) / (1 - now) * (1 - now / then)
    x = then**0.5 * picture + (1 - then - variance) ** 0.5 * noise
    if eta:
        x = x + variance**0.5 * fresh_noise()
    yield x, picture
    if later:
        yield from right_recursive(denoise, x, schedule, later, fresh_noise, eta)


def right_listed(denoise, x_T, schedule, timesteps, fresh_noise, eta=0.0):
    bars = [schedule.alpha_bar_at(t) for t in timesteps] + [1.0]
    xs = [x_T]
    for i, t in enumerate(timesteps):
        x_0, e = denoise(xs[-1], t)
        sigma = eta * np.sqrt((1 - bars[i + 1]) / (1 - bars[i])) * np.sqrt(1 - bars[i] / bars[i + 1])
        new = np.sqrt(bars[i + 1]) * x_0 + np.sqrt(1 - bars[i + 1] - sigma**2) * e
        xs.append(new + sigma * fresh_noise() if eta > 0 else new)
        yield xs[-1], x_0
