"""Draw in few steps

A network that knows the ends of ways can be asked more than once (Song et al. 2023, algorithm 1). What it says at pure
noise is a first guess of the picture. Put fresh noise on it, less than before, and ask again:

$$x_0 = f(x, t), \\qquad x \\leftarrow \\alpha' x_0 + \\sigma'\\, \\varepsilon, \\quad \\varepsilon \\sim N(0, 1)$$

`levels` is a list of (alpha, sigma), from pure noise down, and the last is (1, 0), the clean picture: n + 1 levels are
n questions. end_of(x, alpha, sigma) asks the network; new_noise() draws noise like x. Draw none that is not needed.
Return the picture.
"""

from itertools import pairwise

import numpy as np

POINTS, MINUTES = 3, 20
HINTS = (
    "Walk through the levels two by two: where to ask, and what to noise the answer to.",
    "Ask at the present level; if the next has noise left, mix the answer and new noise by the next level's factors.",
    "for here, (alpha_next, sigma_next) in zip(levels, levels[1:]): x is end_of(x, *here), and where sigma_next > 0 "
    "it becomes alpha_next * x + sigma_next * new_noise()",
)


def draw_in_few(end_of, x_T, levels, new_noise):
    """The picture, shaped as x_T."""
    x = x_T
    for k, level in enumerate(levels[:-1]):
        x = end_of(x, *level)
        alpha, sigma = levels[k + 1]
        if sigma > 0:
            x = alpha * x + sigma * new_noise()
    return x


def cases(rng, dtype):
    stops = (
        [(0.05, 0.99), (0.4, 0.9), (0.7, 0.7), (0.9, 0.4), (1.0, 0.0)],
        [(0.05, 0.99), (1.0, 0.0)],
        [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)],
        [(0.1, 0.95), (0.6, 0.8), (0.8, 0.6), (1.0, 0.0)],
    )
    for levels in stops:
        yield rng.standard_normal((2, 3, 1)).astype(dtype), levels, rng.standard_normal((6, 2, 3, 1)).astype(dtype)


def probe(draw_in_few, x_T, levels, noises):
    asked, left = [], list(noises)

    def end_of(x, alpha, sigma):
        asked.append([float(alpha), float(sigma)])
        return (np.tanh(2 * x) + 0.3 * sigma * np.cos(x) - 0.2).astype(x.dtype)

    def new_noise():
        return left.pop(0)

    x = draw_in_few(end_of, np.array(x_T), levels, new_noise)
    return {"x": x, "asked at": asked, "noises drawn": len(noises) - len(left)}


def mistake_noise_at_the_end(end_of, x_T, levels, new_noise):
    """The last level is the clean picture: no noise is drawn for it."""
    x = x_T
    for level, (alpha, sigma) in pairwise(levels):
        x = alpha * end_of(x, *level) + sigma * new_noise()
    return x


def mistake_old_noise(end_of, x_T, levels, new_noise):
    """You put back the noise that was found in x, as DDIM does; here the noise is fresh, so that what was wrong in the
    guess is drowned."""
    x = x_T
    for (alpha, sigma), (alpha_next, sigma_next) in pairwise(levels):
        x_0 = end_of(x, alpha, sigma)
        x = alpha_next * x_0 + sigma_next * (x - alpha * x_0) / sigma
    return x


def mistake_first_noise(end_of, x_T, levels, new_noise):
    """You put x_T's noise back every time: draw new noise."""
    x = x_T
    for level, (alpha, sigma) in pairwise(levels):
        x = alpha * end_of(x, *level) + sigma * x_T
    return x


def mistake_one_noise(end_of, x_T, levels, new_noise):
    """You draw one noise and use it in every step; each noising needs its own."""
    x, noise = x_T, new_noise()
    for level, (alpha, sigma) in pairwise(levels):
        x = alpha * end_of(x, *level) + sigma * noise
    return x


def mistake_present_level(end_of, x_T, levels, new_noise):
    """You noise to the level where you are, so that nothing is gained: noise to the next one."""
    x = x_T
    for k, (alpha, sigma) in enumerate(levels[:-1]):
        x = end_of(x, alpha, sigma)
        if k < len(levels) - 2:
            x = alpha * x + sigma * new_noise()
    return x


def mistake_told_the_next_level(end_of, x_T, levels, new_noise):
    """The network must be told the level at which x stands; you tell it the one that comes next."""
    x = x_T
    for alpha, sigma in levels[1:]:
        x = end_of(x, alpha, sigma)
        if sigma > 0:
            x = alpha * x + sigma * new_noise()
    return x


def mistake_picture_not_scaled(end_of, x_T, levels, new_noise):
    """The noised picture has alpha, too: you add noise to the whole picture."""
    x = x_T
    for level, (_, sigma) in pairwise(levels):
        x = end_of(x, *level)
        if sigma > 0:
            x = x + sigma * new_noise()
    return x


def mistake_from_the_start(end_of, x_T, levels, new_noise):
    """Ask about the picture that was noised anew; you ask about x_T each time."""
    x = x_T
    for level, (_, sigma) in pairwise(levels):
        x = end_of(x_T, *level)
        if sigma > 0:
            new_noise()
    return x


def mistake_one_question(end_of, x_T, levels, new_noise):
    """That is one question; there are as many as there are levels, but for the last."""
    return end_of(x_T, *levels[0])


def mistake_one_too_many(end_of, x_T, levels, new_noise):
    """At the last level the picture is clean, and the network is not asked."""
    return end_of(draw_in_few(end_of, x_T, levels, new_noise), *levels[-1])


def mistake_begins_with_noise(end_of, x_T, levels, new_noise):
    """x_T is noise already: the first question is about it, as it is."""
    x = x_T
    for alpha, sigma in levels[:-1]:
        x = end_of(alpha * x + sigma * new_noise(), alpha, sigma)
    return x


def mistake_last_question(end_of, x_T, levels, new_noise):
    """One question is missing, the last: what you return is still noised."""
    x = x_T
    for level, (alpha, sigma) in pairwise(levels[:-1]):
        x = alpha * end_of(x, *level) + sigma * new_noise()
    return x


def right_asks_first(end_of, x_T, levels, new_noise):
    (alpha, sigma), *others = levels
    picture = end_of(x_T, alpha, sigma)
    for alpha, sigma in others[:-1]:
        picture = end_of(alpha * picture + sigma * new_noise(), alpha, sigma)
    return picture


def right_by_recursion(end_of, x_T, levels, new_noise):
    (alpha, sigma), (alpha_next, sigma_next), *_ = levels
    end = end_of(x_T, alpha, sigma)
    if len(levels) == 2:
        return end
    return right_by_recursion(end_of, alpha_next * end + sigma_next * new_noise(), levels[1:], new_noise)
