"""A sampler from its paper: DPM-Solver++(2M)

DDIM holds the predicted $x_0$ fixed over a step. DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2)
draws a line through the last two predictions instead, in the variable in which the way is smooth: half the logarithm of
the signal-to-noise ratio,

$$\\lambda = \\ln \\frac{\\alpha}{\\sigma} \\qquad \\text{where} \\qquad x_t = \\alpha x_0 + \\sigma \\varepsilon$$

A step leads from $(\\alpha, \\sigma, \\lambda)$ to $(\\alpha', \\sigma', \\lambda')$ and has the length $h =
\\lambda' - \\lambda$; the step before it had $h_-$, and predicted $x_0^-$. With $r = h_- / h$:

$$D = \\left(1 + \\frac{1}{2r}\\right) x_0 - \\frac{1}{2r}\\, x_0^-, \\qquad
x' = \\frac{\\sigma'}{\\sigma}\\, x - \\alpha' \\left(e^{-h} - 1\\right) D$$

The first step has no predecessor, and in the last one, to the clean picture with sigma = 0, $\\lambda'$ is infinite:
there $D = x_0$, and the last step ends at $x_0$ itself. One prediction a step, and nothing random.

Write it in the library's interface, as 10.2: a generator that yields (x, x_0_pred) after each step. On Gaussian data,
where the right end is known, twice as many steps leave a quarter of the error; DDIM's is halved. Chapter 10 draws it.

Draw a digit with it: `minisd draw "a seven" --steps 10 --with exercises/ex10_6_dpm_solver.py`.
"""

import math
from itertools import pairwise

import numpy as np

from minisd.diffusion.samplers.dpm_solver import dpm_solver as library
from minisd.diffusion.schedule import CLEAN, NoiseSchedule

POINTS, MINUTES = 12, 180
GIVEN = ("np", "math", "pairwise", "CLEAN", "NoiseSchedule")
HINTS = (
    "Begin with DDIM in these letters: with D = x_0 in every step it is DDIM. Check that first, with 10.2.",
    "Keep two things from one step to the next: its x_0 and its h. Before the first step there are none.",
    "Call the two levels of a step now and then. If then.sigma is 0 the step ends at x_0. Else lambda is "
    "math.log(now.alpha / now.sigma), likewise of then, and the formula stands as above.",
)


def dpm_solver(denoise, x_T, levels, fresh_noise):
    """Yields (x, x_0_pred) once a step."""
    yield from library(denoise, x_T, levels, fresh_noise)


def cases(rng, dtype):
    for times in ([19, 15, 9, 6, 2], [19, 3], [18], [17, 16, 9], [19, 18, 12, 11, 10, 5, 0]):
        yield rng.standard_normal((2, 2, 3, 1)).astype(dtype), rng.uniform(0.05, 0.3, 20), times


def probe(dpm_solver, x_T, betas, times):
    schedule, asked = NoiseSchedule.of_betas(betas), []

    def denoise(x_t, level):
        asked.append(level.t)
        x_0 = (np.tanh(x_t) + 0.02 * level.t).astype(x_t.dtype)
        return x_0, (x_t - level.alpha * x_0) / level.sigma

    def fresh_noise():
        raise RuntimeError("this sampler draws no fresh noise")

    levels = [*map(schedule.level, times), CLEAN]
    steps = [[np.array(x), np.array(x_0)] for x, x_0 in dpm_solver(denoise, x_T, levels, fresh_noise)]
    return {"asked at t": asked, "steps": steps}


def _walk(denoise, x_T, levels, line, power=1, sign=-1.0):
    x_t, before, h_before = x_T, None, None
    for now, then in pairwise(levels):
        x_0, _ = denoise(x_t, now)
        if then.sigma == 0:
            yield x_0, x_0
            return
        h = power * math.log(then.alpha * now.sigma / (then.sigma * now.alpha))
        d = x_0 if before is None else line(x_0, before, h_before / h)
        x_t = then.sigma / now.sigma * x_t + sign * then.alpha * math.expm1(-h) * d
        before, h_before = x_0, h
        yield x_t, x_0


def _by_two(x_0, before, r):
    return x_0 + (x_0 - before) / (2 * r)


def mistake_first_order(denoise, x_T, levels, fresh_noise):
    """This is DDIM: D is x_0 alone in every step. The prediction before it belongs into the line."""
    return _walk(denoise, x_T, levels, lambda x_0, before, r: x_0)


def mistake_ratio_upside_down(denoise, x_T, levels, fresh_noise):
    """r is the length of the step before by that of this one, and it stands below the line."""
    return _walk(denoise, x_T, levels, lambda x_0, before, r: _by_two(x_0, before, 1 / r))


def mistake_no_2(denoise, x_T, levels, fresh_noise):
    """The line is followed to the middle of the step: it is 1 / (2r), not 1 / r."""
    return _walk(denoise, x_T, levels, lambda x_0, before, r: _by_two(x_0, before, r / 2))


def mistake_backwards(denoise, x_T, levels, fresh_noise):
    """The line goes on from the older prediction through the newer one; yours goes back between the two."""
    return _walk(denoise, x_T, levels, lambda x_0, before, r: _by_two(x_0, before, -r))


def mistake_steps_alike(denoise, x_T, levels, fresh_noise):
    """The steps are not equally long in lambda: r is rarely 1."""
    return _walk(denoise, x_T, levels, lambda x_0, before, r: _by_two(x_0, before, 1))


def mistake_squares(denoise, x_T, levels, fresh_noise):
    """lambda is the logarithm of alpha / sigma themselves, not of their squares: you have twice that."""
    return _walk(denoise, x_T, levels, _by_two, power=2)


def mistake_sign(denoise, x_T, levels, fresh_noise):
    """e^(-h) - 1 is negative, and there is a minus before it: the step leads towards D, not away."""
    return _walk(denoise, x_T, levels, _by_two, sign=1.0)


def mistake_never_clean(denoise, x_T, levels, fresh_noise):
    """The last step leads to the last level, the clean picture: you stop before it."""
    steps = list(_walk(denoise, x_T, levels, _by_two))
    return iter(steps[:-1])


def right_without_logarithms(denoise, x_T, levels, fresh_noise):
    last = None
    x = x_T
    for i, (_, a, s) in enumerate(levels[:-1]):
        picture, _ = denoise(x, levels[i])
        if i == len(levels) - 2:
            yield picture, picture
            return
        _, a2, s2 = levels[i + 1]
        h = math.log(a2 * s / (s2 * a))
        towards = picture
        if last is not None:
            towards = picture + 0.5 * h / last[1] * (picture - last[0])
        x = s2 / s * x + (a2 - a * s2 / s) * towards
        last = picture, h
        yield x, picture


def right_table(denoise, x_T, levels, fresh_noise):
    alpha, sigma = ([getattr(level, name) for level in levels] for name in ("alpha", "sigma"))
    lengths = np.diff(np.log(alpha[:-1]) - np.log(sigma[:-1]))
    predictions, x = [], x_T
    for i, level in enumerate(levels[:-1]):
        predictions.append(denoise(x, level)[0])
        if i < len(lengths):
            d = predictions[i]
            if i > 0:
                share = float(lengths[i] / lengths[i - 1] / 2)
                d = (1 + share) * d - share * predictions[i - 1]
            x = sigma[i + 1] / sigma[i] * x + alpha[i + 1] * float(1 - np.exp(-lengths[i])) * d
        else:
            x = predictions[i]
        yield x, predictions[i]
