"""A sampler: DDIM

Write a sampler that the library can run. It is a generator: it walks x_T down through the noise levels, and after each
step yields the new x and the x_0 that was predicted. It is given

- denoise(x_t, level), which asks the model and gives a pair, x_0 and the noise;
- x_T, the start;
- levels, the falling noise levels from the start to the clean picture: at each, $x_t = \\alpha x_0 + \\sigma
  \\varepsilon$ with level.alpha and level.sigma, and the last one has alpha 1 and sigma 0;
- fresh_noise(), which draws noise shaped as x_T;
- eta, DDIM's own option, from 0 (nothing random) to 1 (as much as DDPM).

A step from $(\\alpha, \\sigma)$ to $(\\alpha', \\sigma')$ (Song et al. 2021, equations 12 and 16, where $\\alpha$ is
our $\\alpha^2$):

$$x' = \\alpha' x_0 + \\sqrt{\\sigma'^2 - s^2}\\, \\varepsilon + s z, \\qquad
s = \\eta\\, \\frac{\\sigma'}{\\sigma} \\sqrt{1 - \\frac{\\alpha^2}{\\alpha'^2}}$$

with $\\varepsilon$ the predicted noise and $z$ fresh noise, which is drawn once a step, and only where eta is above 0.

Draw a digit with it: `minisd draw "a seven" --with exercises/ex10_2_ddim.py`.
"""

import math
from itertools import pairwise

import numpy as np

from minisd.diffusion.samplers.ddim import ddim as library
from minisd.diffusion.schedule import CLEAN, NoiseSchedule

POINTS, MINUTES = 4, 40
GIVEN = ("np", "math", "pairwise", "CLEAN", "NoiseSchedule")
HINTS = (
    "Pairs of a level and the next one: pairwise(levels). There is one step less than there are levels.",
    "In the loop: ask denoise at x_t and level, mix by the formula, yield the new x and x_0. Then the new x is x_t.",
    "Call the two levels now and then; s = eta * then.sigma / now.sigma * math.sqrt(1 - (now.alpha / then.alpha) ** 2);"
    " x_t = then.alpha * x_0 + math.sqrt(then.sigma**2 - s**2) * noise + s * fresh.",
)


def ddim(denoise, x_T, levels, fresh_noise, eta=0.0):
    """Yields (x, x_0_pred) once a step."""
    yield from library(denoise, x_T, levels, fresh_noise, eta)


def cases(rng, dtype):
    for eta, times in ((0.0, [9, 6, 3]), (1.0, [9, 4, 0]), (0.5, [8, 7, 2]), (0.0, [5]), (0.7, [9, 8, 7, 1])):
        yield rng.standard_normal((2, 2, 3, 1)).astype(dtype), rng.uniform(0.05, 0.4, 10), times, eta, 0


def probe(ddim, x_T, betas, times, eta, seed):
    schedule, rng, asked = NoiseSchedule.of_betas(betas), np.random.default_rng(seed), []

    def denoise(x_t, level):
        asked.append(level.t)
        noise = np.sin(x_t + 0.1 * level.t).astype(x_t.dtype)
        return (x_t - level.sigma * noise) / level.alpha, noise

    def fresh_noise():
        return rng.standard_normal(x_T.shape).astype(x_T.dtype)

    levels, options = [*map(schedule.level, times), CLEAN], {"eta": eta} if eta else {}
    steps = [[np.array(x), np.array(x_0)] for x, x_0 in ddim(denoise, x_T, levels, fresh_noise, **options)]
    return {"steps": steps, "asked at t": asked, "left in the random stream": rng.standard_normal()}


def _walk(denoise, x_T, levels, fresh_noise, eta, step):
    x_t = x_T
    for now, then in pairwise(levels):
        x_0, noise = denoise(x_t, now)
        fresh = fresh_noise() if eta > 0 else 0.0
        share = math.sqrt(1 - (now.alpha / then.alpha) ** 2)
        x_t = step(x_t, x_0, noise, fresh, now, then, eta * then.sigma / now.sigma * share)
        yield x_t, x_0


def _right(x_t, x_0, noise, fresh, now, then, s):
    return then.alpha * x_0 + math.sqrt(then.sigma**2 - s**2) * noise + s * fresh


def mistake_never_clean(denoise, x_T, levels, fresh_noise, eta=0.0):
    """The last step goes to the last level, the clean picture: you stop before it."""
    return _walk(denoise, x_T, levels[:-1], fresh_noise, eta, _right)


def mistake_same_direction(denoise, x_T, levels, fresh_noise, eta=0.0):
    """Where fresh noise comes in, the old one gets less: sigma^2 - s^2 stands under its root."""

    def step(x_t, x_0, noise, fresh, now, then, s):
        return then.alpha * x_0 + then.sigma * noise + s * fresh

    return _walk(denoise, x_T, levels, fresh_noise, eta, step)


def mistake_eta_ignored(denoise, x_T, levels, fresh_noise, eta=0.0):
    """With eta above 0 fresh noise is drawn and added in every step."""
    return _walk(denoise, x_T, levels, fresh_noise, 0.0, _right)


def mistake_level_it_comes_from(denoise, x_T, levels, fresh_noise, eta=0.0):
    """x_0 and noise are mixed for the level that the step goes to: you take the one it comes from."""

    def step(x_t, x_0, noise, fresh, now, then, s):
        return now.alpha * x_0 + math.sqrt(now.sigma**2 - s**2) * noise + s * fresh

    return _walk(denoise, x_T, levels, fresh_noise, eta, step)


def mistake_variance_as_factor(denoise, x_T, levels, fresh_noise, eta=0.0):
    """s is a deviation, and under the root stands its square."""

    def step(x_t, x_0, noise, fresh, now, then, s):
        return then.alpha * x_0 + math.sqrt(max(0, then.sigma**2 - s)) * noise + s * fresh

    return _walk(denoise, x_T, levels, fresh_noise, eta, step)


def mistake_always_from_the_start(denoise, x_T, levels, fresh_noise, eta=0.0):
    """Each step begins where the last one ended: you ask about x_T again and again."""
    return _walk(lambda x_t, level: denoise(x_T, level), x_T, levels, fresh_noise, eta, _right)


def mistake_variances(denoise, x_T, levels, fresh_noise, eta=0.0):
    """alpha and sigma themselves multiply x_0 and the noise; their squares are shares of the variance."""

    def step(x_t, x_0, noise, fresh, now, then, s):
        return then.alpha**2 * x_0 + (then.sigma**2 - s**2) * noise + s * fresh

    return _walk(denoise, x_T, levels, fresh_noise, eta, step)


def mistake_always_random(denoise, x_T, levels, fresh_noise, eta=0.0):
    """With eta = 0 nothing is drawn: a random stream must not be moved for nothing."""
    draw = fresh_noise if eta else lambda: fresh_noise() * 0
    return _walk(denoise, x_T, levels, draw, eta or 1e-300, _right)


def right_recursive(denoise, x_T, levels, fresh_noise, eta=0.0):
    (_, a, s), (_, a2, s2), *_ = levels
    picture, noise = denoise(x_T, levels[0])
    variance = (eta * s2 / s) ** 2 * (1 - a * a / (a2 * a2))
    x = a2 * picture + (s2 * s2 - variance) ** 0.5 * noise
    if eta:
        x = x + variance**0.5 * fresh_noise()
    yield x, picture
    if len(levels) > 2:
        yield from right_recursive(denoise, x, levels[1:], fresh_noise, eta)


def right_by_alpha_bar(denoise, x_T, levels, fresh_noise, eta=0.0):
    bars = [level.alpha**2 for level in levels]
    xs = [x_T]
    for i, level in enumerate(levels[:-1]):
        x_0, e = denoise(xs[-1], level)
        sigma = float(eta * np.sqrt((1 - bars[i + 1]) / (1 - bars[i])) * np.sqrt(1 - bars[i] / bars[i + 1]))
        new = math.sqrt(bars[i + 1]) * x_0 + math.sqrt(1 - bars[i + 1] - sigma**2) * e
        xs.append(new + sigma * fresh_noise() if eta > 0 else new)
        yield xs[-1], x_0
