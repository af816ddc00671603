"""A sampler: linear multi-step

Write a sampler that the library can run, as in 10.2: a generator over the falling noise levels, of which each has
level.alpha, level.sigma and level.ratio = sigma / alpha, and the last one is the clean picture. It asks denoise(x_t,
level) once a step, gets the pair (x_0, noise), and yields the new x and that x_0.

In $y = x / \\alpha$ every step adds weights times noises: those of this step and of the steps before it, the newest
first, `order` of them at most. The weights are 16.5's, for the ratios where the noises were predicted and the ratio
where the step ends, which in the last step is 0:

$$y' = y + \\sum_j w_j\\, \\varepsilon_j$$

The first step knows one noise, so it is Euler's; the second two, and so on. Nothing is random.

Draw a digit with it: `minisd draw "a seven" --steps 12 --with exercises/ex16_8_lms.py`.
"""

from itertools import pairwise

import numpy as np

from minisd.course import mine
from minisd.diffusion.schedule import CLEAN, NoiseLevel

lms_weights = mine("16.5")

POINTS, MINUTES = 6, 60
GIVEN = ("np", "pairwise", "mine", "lms_weights", "CLEAN", "NoiseLevel")
HINTS = (
    "With order=1 it is Euler's method, and that is DDIM: begin with that.",
    "Keep two lists, of the noises and of the ratios where they were predicted, the newest first. Cut both to `order`.",
    "noises = ([noise] + noises)[:order], and the ratios likewise; w = lms_weights(ratios, then.ratio); "
    "y = x_t / now.alpha + sum(w[j] * noises[j] for j in range(len(w))); then.alpha * y is the new x.",
)


def lms(denoise, x_T, levels, fresh_noise, order=4):
    """Yields (x, x_0_pred) once a step."""
    x_t, noises, ratios = x_T, [], []
    for now, then in pairwise(levels):
        x_0, noise = denoise(x_t, now)
        noises.append(noise)
        ratios.append(now.ratio)
        newest = slice(None, -order - 1, -1)  # the newest first, `order` of them at most
        weights = lms_weights(ratios[newest], then.ratio)
        total = sum(float(w) * e for w, e in zip(weights, noises[newest], strict=True))
        x_t = then.alpha * (x_t / now.alpha + total)
        yield x_t, x_0


def cases(rng, dtype):
    for order, count in ((4, 6), (1, 4), (2, 5), (3, 6), (4, 1), (4, 7)):
        ratios = np.sort(rng.uniform(0.15, 0.7, count).cumsum())[::-1]
        yield rng.standard_normal((2, 2, 3, 1)).astype(dtype), ratios.tolist(), order == 2, order


def probe(lms, x_T, ratios, straight, order):
    asked = []
    alphas = [1 / (1 + r) if straight else 1 / np.hypot(1, r) for r in ratios]
    levels = [
        *(NoiseLevel(i, float(a), float(r * a)) for i, (a, r) in enumerate(zip(alphas, ratios, strict=True))),
        CLEAN,
    ]

    def denoise(x_t, level):
        asked.append(level.t)
        noise = (np.tanh(x_t) + 0.3 * np.cos(3 * level.ratio)).astype(x_t.dtype)
        return (x_t - level.sigma * noise) / level.alpha, noise

    def fresh_noise():
        raise RuntimeError("this sampler draws no fresh noise")

    options = {} if order == 4 else {"order": order}
    steps = [[np.array(x), np.array(x_0)] for x, x_0 in lms(denoise, x_T, levels, fresh_noise, **options)]
    return {"steps": steps, "asked": asked}


def _weights(ratios, end, start=None):
    powers = np.arange(len(ratios))
    start = ratios[0] if start is None else start
    moments = (end ** (powers + 1) - start ** (powers + 1)) / (powers + 1)
    return np.linalg.solve(np.asarray(ratios)[None] ** powers[:, None], moments)


def _walk(denoise, x_T, levels, order, weigh, keep=lambda x_t, then: then.alpha):
    x_t, noises, ratios = x_T, [], []
    for now, then in pairwise(levels):
        x_0, noise = denoise(x_t, now)
        noises.append(noise)
        ratios.append(now.ratio)
        last = slice(None, -order - 1, -1)
        total = sum(float(w) * e for w, e in zip(weigh(ratios[last], then.ratio), noises[last], strict=True))
        x_t = keep(x_t, then) * (x_t / now.alpha + total)
        yield x_t, x_0


def mistake_euler(denoise, x_T, levels, fresh_noise, order=4):
    """You use the newest noise only: up to `order` of them have weights."""
    return _walk(denoise, x_T, levels, 1, _weights)


def mistake_always_four(denoise, x_T, levels, fresh_noise, order=4):
    """`order` says how many noises are used at most; you use four whatever it says."""
    return _walk(denoise, x_T, levels, 4, _weights)


def mistake_all(denoise, x_T, levels, fresh_noise, order=4):
    """You use every noise since the begin: `order` of them at most."""
    return _walk(denoise, x_T, levels, len(levels), _weights)


def mistake_one_too_few(denoise, x_T, levels, fresh_noise, order=4):
    """`order` noises are used, the one of this step among them: you use one less."""
    return _walk(denoise, x_T, levels, max(1, order - 1), _weights)


def mistake_oldest_first(denoise, x_T, levels, fresh_noise, order=4):
    """The newest noise comes first, as its ratio does: your weights and noises do not belong together."""
    return _walk(denoise, x_T, levels, order, lambda ratios, end: _weights(ratios, end)[::-1])


def mistake_waits(denoise, x_T, levels, fresh_noise, order=4):
    """You take Euler's steps until there are `order` noises: use as many as there are."""

    def weigh(ratios, end):
        full = len(ratios) == order
        return _weights(ratios, end) if full else [end - ratios[0], *[0.0] * (len(ratios) - 1)]

    return _walk(denoise, x_T, levels, order, weigh)


def mistake_equal_steps(denoise, x_T, levels, fresh_noise, order=4):
    """You take the steps for equally long; the weights depend on where the ratios lie."""

    def weigh(ratios, end):
        return (end - ratios[0]) * _weights([float(-i) for i in range(len(ratios))], 1.0)

    return _walk(denoise, x_T, levels, order, weigh)


def mistake_last_step_euler(denoise, x_T, levels, fresh_noise, order=4):
    """The last step is a step like the others: its ratio is 0, and the weights are good for that."""
    walked = list(_walk(denoise, x_T, levels, order, _weights))
    return iter([*walked[:-1], (walked[-1][1], walked[-1][1])])


def mistake_never_clean(denoise, x_T, levels, fresh_noise, order=4):
    """The last step leads to the last level, the clean picture: you stop before it."""
    return _walk(denoise, x_T, levels[:-1], order, _weights)


def mistake_stays_in_y(denoise, x_T, levels, fresh_noise, order=4):
    """What is yielded and asked about is x: multiply y by the alpha of the level where the step ends."""
    return _walk(denoise, x_T, levels, order, _weights, keep=lambda x_t, then: 1.0)


def mistake_kept_between_calls(denoise, x_T, levels, fresh_noise, order=4, noises=[], ratios=[]):  # noqa: B006
    """A list in the function's head is made once, and keeps the last drawing's noises: begin each drawing with empty
    ones."""
    x_t = x_T
    noises[:], ratios[:] = [np.ones_like(x_T)], [levels[0].ratio + 1.0]
    for now, then in pairwise(levels):
        x_0, noise = denoise(x_t, now)
        noises[:], ratios[:] = [noise, *noises][:order], [now.ratio, *ratios][:order]
        total = sum(float(w) * e for w, e in zip(_weights(ratios, then.ratio), noises, strict=True))
        x_t = then.alpha * (x_t / now.alpha + total)
        yield x_t, x_0


def right_y_alone(denoise, x_T, levels, fresh_noise, order=4):
    y, past = x_T / levels[0].alpha, []
    for i in range(len(levels) - 1):
        picture, noise = denoise(levels[i].alpha * y, levels[i])
        past.append((levels[i].ratio, noise))
        weights = _weights([r for r, _ in past[-order:]], levels[i + 1].ratio, levels[i].ratio)
        for w, (_, e) in zip(weights.tolist(), past[-order:], strict=True):
            y = y + w * e
        yield levels[i + 1].alpha * y, picture


def right_by_arrays(denoise, x_T, levels, fresh_noise, order=4):
    r = np.array([level.sigma / level.alpha for level in levels])
    table = np.zeros((len(levels) - 1, *x_T.shape), x_T.dtype)
    x = x_T
    for i, level in enumerate(levels[:-1]):
        x_0, table[i] = denoise(x, level)
        first = max(0, i + 1 - order)
        places, h = r[first : i + 1] - r[i], r[i + 1] - r[i]
        moments = [h ** (n + 1) / (n + 1) for n in range(len(places))]
        weights = np.linalg.solve(np.vander(places, increasing=True).T, moments).astype(x_T.dtype)
        x = levels[i + 1].alpha * (x / level.alpha + np.tensordot(weights, table[first : i + 1], axes=1))
        yield x, x_0
