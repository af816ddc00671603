"""A sampler from its paper: DPM-Solver++(2M)

DDIM holds the predicted $x_0$ fixed over a step. DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2)
draws a line through the last two predictions instead, in the variable in which the way is smooth: half the logarithm of
the signal-to-noise ratio,

$$\\lambda = \\ln \\frac{\\alpha}{\\sigma}, \\qquad \\alpha = \\sqrt{\\bar\\alpha_t}, \\quad \\sigma = \\sqrt{1 -
\\bar\\alpha_t}$$

A step leads from $(\\alpha, \\sigma, \\lambda)$ to $(\\alpha', \\sigma', \\lambda')$ and has the length $h =
\\lambda' - \\lambda$; the step before it had $h_-$, and predicted $x_0^-$. With $r = h_- / h$:

$$D = \\left(1 + \\frac{1}{2r}\\right) x_0 - \\frac{1}{2r}\\, x_0^-, \\qquad
x' = \\frac{\\sigma'}{\\sigma}\\, x - \\alpha' \\left(e^{-h} - 1\\right) D$$

The first step has no predecessor, and in the last one, to the clean picture at t = -1, $\\lambda'$ is infinite: there
$D = x_0$, and the last step ends at $x_0$ itself. One prediction a step, and nothing random.

Write it in the library's interface, as 10.2: a generator that yields (x, x_0_pred) after each step. On Gaussian data,
where the right end is known, twice as many steps leave a quarter of the error; DDIM's is halved. Chapter 10 draws it.

Draw a digit with it: `minisd draw "a seven" --steps 10 --with exercises/ex10_6_dpm_solver.py`.
"""

import math

import numpy as np

from minisd.diffusion.schedule import NoiseSchedule

POINTS, MINUTES = 12, 180
GIVEN = ("np", "math", "NoiseSchedule")
HINTS = (
    "Begin with DDIM in these letters: with D = x_0 in every step it is DDIM. Check that first, with 10.2.",
    "Keep two things from one step to the next: its x_0 and its h. Before the first step there are none.",
    "Call alpha_bar_at(t) a and alpha_bar_at(t_prev) b. If b is 1 the step ends at x_0. Else lambda is "
    "0.5 * math.log(a / (1 - a)), likewise of b, and the formula stands as above.",
)


def dpm_solver(denoise, x_T, schedule, timesteps, fresh_noise):
    """Yields (x, x_0_pred) once a step."""
    x_t, before, h_before = x_T, None, 1.0
    for t, t_prev in zip(timesteps, [*timesteps[1:], -1], strict=True):
        x_0, _ = denoise(x_t, t)
        now, then = schedule.alpha_bar_at(t), schedule.alpha_bar_at(t_prev)
        if then == 1:
            x_t = x_0
        else:
            h = 0.5 * math.log(then / (1 - then)) - 0.5 * math.log(now / (1 - now))
            line = x_0 if before is None else x_0 + h / (2 * h_before) * (x_0 - before)
            x_t = math.sqrt((1 - then) / (1 - now)) * x_t - math.sqrt(then) * math.expm1(-h) * line
            before, h_before = x_0, h
        yield x_t, x_0


def cases(rng, dtype):
    for timesteps in ([19, 15, 9, 6, 2], [19, 3], [18], [17, 16, 9], [19, 18, 12, 11, 10, 5, 0]):
        yield rng.standard_normal((2, 2, 3, 1)).astype(dtype), rng.uniform(0.05, 0.3, 20), timesteps


def probe(dpm_solver, x_T, betas, timesteps):
    schedule, asked = NoiseSchedule(betas), []

    def denoise(x_t, t):
        asked.append(t)
        x_0 = np.tanh(x_t) + 0.02 * t
        return x_0.astype(x_t.dtype), schedule.noise_from_x_0(x_t, x_0.astype(x_t.dtype), t)

    def fresh_noise():
        raise RuntimeError("this sampler draws no fresh noise")

    steps = [[np.array(x), np.array(x_0)] for x, x_0 in dpm_solver(denoise, x_T, schedule, timesteps, fresh_noise)]
    return {"asked at t": asked, "steps": steps}


def _walk(denoise, x_T, schedule, timesteps, line, half=0.5, sign=-1.0):
    x_t, before, h_before = x_T, None, None
    for t, t_prev in zip(timesteps, [*timesteps[1:], -1], strict=True):
        x_0, _ = denoise(x_t, t)
        now, then = schedule.alpha_bar_at(t), schedule.alpha_bar_at(t_prev)
        if then == 1:
            yield x_0, x_0
            return
        h = half * math.log(then / (1 - then)) - half * math.log(now / (1 - now))
        d = x_0 if before is None else line(x_0, before, h_before / h)
        x_t = math.sqrt((1 - then) / (1 - now)) * x_t + sign * math.sqrt(then) * math.expm1(-h) * d
        before, h_before = x_0, h
        yield x_t, x_0


def _by_two(x_0, before, r):
    return x_0 + (x_0 - before) / (2 * r)


def mistake_first_order(denoise, x_T, schedule, timesteps, fresh_noise):
    """This is DDIM: D is x_0 alone in every step. The prediction before it belongs into the line."""
    return _walk(denoise, x_T, schedule, timesteps, lambda x_0, before, r: x_0)


def mistake_ratio_upside_down(denoise, x_T, schedule, timesteps, fresh_noise):
    """r is the length of the step before by that of this one, and it stands below the line."""
    return _walk(denoise, x_T, schedule, timesteps, lambda x_0, before, r: _by_two(x_0, before, 1 / r))


def mistake_no_2(denoise, x_T, schedule, timesteps, fresh_noise):
    """The line is followed to the middle of the step: it is 1 / (2r), not 1 / r."""
    return _walk(denoise, x_T, schedule, timesteps, lambda x_0, before, r: _by_two(x_0, before, r / 2))


def mistake_backwards(denoise, x_T, schedule, timesteps, fresh_noise):
    """The line goes on from the older prediction through the newer one; yours goes back between the two."""
    return _walk(denoise, x_T, schedule, timesteps, lambda x_0, before, r: _by_two(x_0, before, -r))


def mistake_steps_alike(denoise, x_T, schedule, timesteps, fresh_noise):
    """The steps are not equally long in lambda: r is rarely 1."""
    return _walk(denoise, x_T, schedule, timesteps, lambda x_0, before, r: _by_two(x_0, before, 1))


def mistake_whole_logarithm(denoise, x_T, schedule, timesteps, fresh_noise):
    """lambda is the logarithm of alpha / sigma, which are square roots: half that of alpha_bar / (1 - alpha_bar)."""
    return _walk(denoise, x_T, schedule, timesteps, _by_two, half=1.0)


def mistake_sign(denoise, x_T, schedule, timesteps, fresh_noise):
    """e^(-h) - 1 is negative, and there is a minus before it: the step leads towards D, not away."""
    return _walk(denoise, x_T, schedule, timesteps, _by_two, sign=1.0)


def mistake_never_clean(denoise, x_T, schedule, timesteps, fresh_noise):
    """The last step leads from the last t to the clean picture: you stop before it."""
    steps = list(_walk(denoise, x_T, schedule, timesteps, _by_two))
    return iter(steps[:-1])


def right_without_logarithms(denoise, x_T, schedule, timesteps, fresh_noise):
    last = None
    x = x_T
    for i, t in enumerate(timesteps):
        picture, _ = denoise(x, t)
        if i == len(timesteps) - 1:
            yield picture, picture
            return
        (a, s), (a2, s2) = (
            (math.sqrt(bar), math.sqrt(1 - bar)) for bar in map(schedule.alpha_bar_at, (t, timesteps[i + 1]))
        )
        h = math.log(a2 * s / (s2 * a))
        towards = picture
        if last is not None:
            towards = picture + 0.5 * h / last[1] * (picture - last[0])
        x = s2 / s * x + (a2 - a * s2 / s) * towards
        last = picture, h
        yield x, picture


def right_table(denoise, x_T, schedule, timesteps, fresh_noise):
    bars = np.array([schedule.alpha_bar_at(t) for t in timesteps])
    lengths = np.diff(np.arctanh(2 * bars - 1))
    predictions, x = [], x_T
    for i, t in enumerate(timesteps):
        predictions.append(denoise(x, t)[0])
        if i < len(lengths):
            d = predictions[i]
            if i > 0:
                share = lengths[i] / lengths[i - 1] / 2
                d = (1 + share) * d - share * predictions[i - 1]
            shrink = float(np.sqrt((1 - bars[i + 1]) / (1 - bars[i])))
            x = shrink * x + float(np.sqrt(bars[i + 1]) * (1 - np.exp(-lengths[i]))) * d
        else:
            x = predictions[i]
        yield x, predictions[i]
