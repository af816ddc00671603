"""Two steps in one

Progressive distillation (Salimans & Ho 2022, algorithm 2) halves the steps again and again: a student learns to do in
one step of DDIM what its teacher does in two. What must the student say x_0 is, at x_t, for that?

Take two steps of the teacher's, from x_t at (alpha, sigma) to the middle level and on to the last. In each, guess(x,
alpha, sigma) says x_0, the noise is $\\varepsilon = (x - \\alpha x_0) / \\sigma$, and $x' = \\alpha' x_0 + \\sigma'
\\varepsilon$. Call where they end $x''$. Then return the $\\tilde x$ from which a single step leads there,

$$x'' = \\alpha'' \\tilde x + \\frac{\\sigma''}{\\sigma} (x_t - \\alpha \\tilde x)$$

`start`, `middle` and `last` are pairs (alpha, sigma). Ask the teacher twice.
"""

import numpy as np

POINTS, MINUTES = 3, 20
HINTS = (
    "First walk the two steps. Then the last line is an equation for x~ alone: collect what has it.",
    "x'' - (sigma'' / sigma) x_t = (alpha'' - (sigma'' / sigma) alpha) x~. Below stands the sigma of the start.",
    "share = sigma_last / sigma_start; then (x_last - share * x_t) / (alpha_last - share * alpha_start).",
)


def two_steps_in_one(guess, x_t, start, middle, last):
    """The x_0 that one step takes in the place of two, shaped as x_t."""
    x = x_t
    for (alpha, sigma), (alpha_next, sigma_next) in ((start, middle), (middle, last)):
        x_0 = guess(x, alpha, sigma)
        x = alpha_next * x_0 + sigma_next / sigma * (x - alpha * x_0)
    share = last[1] / start[1]
    return (x - share * x_t) / (last[0] - share * start[0])


def cases(rng, dtype):
    levels = (
        ((0.28, 0.96), (0.6, 0.8), (0.8, 0.6)),
        ((0.6, 0.8), (0.8, 0.6), (1.0, 0.0)),
        ((0.0, 1.0), (0.5, 0.5), (0.9, 0.1)),
        ((1.0, 9.0), (1.0, 3.0), (1.0, 0.5)),
        ((0.1, 0.95), (0.2, 0.9), (0.5, 0.8)),
    )
    for stops in levels:
        yield rng.standard_normal((2, 3, 1)).astype(dtype), *stops


def probe(two_steps_in_one, x_t, start, middle, last):
    asked = []

    def guess(x, alpha, sigma):
        asked.append([np.array(x), float(alpha), float(sigma)])
        return (np.tanh(1.5 * x - 0.3 * sigma) + 0.2 * alpha).astype(x.dtype)

    return {"x_0": two_steps_in_one(guess, np.array(x_t), start, middle, last), "asked": asked}


def _walked(guess, x_t, start, middle, last):
    first = guess(x_t, *start)
    x = middle[0] * first + middle[1] / start[1] * (x_t - start[0] * first)
    second = guess(x, *middle)
    return first, x, second, last[0] * second + last[1] / middle[1] * (x - middle[0] * second)


def mistake_where_it_ends(guess, x_t, start, middle, last):
    """That is where the two steps end, which may be noisy still; wanted is the x_0 that leads there in one step."""
    return _walked(guess, x_t, start, middle, last)[3]


def mistake_second_guess(guess, x_t, start, middle, last):
    """The teacher's second guess leads there from the middle: a step from x_t with it would end elsewhere."""
    return _walked(guess, x_t, start, middle, last)[2]


def mistake_first_guess(guess, x_t, start, middle, last):
    """That is what the teacher itself says at x_t: nothing would be learned."""
    return _walked(guess, x_t, start, middle, last)[0]


def mistake_mean_of_guesses(guess, x_t, start, middle, last):
    """It is no mean of the two guesses: solve the equation of the single step."""
    first, _, second, _ = _walked(guess, x_t, start, middle, last)
    return (first + second) / 2


def mistake_middle_sigma(guess, x_t, start, middle, last):
    """The noise is found at x_t, so it is divided by the sigma of the start."""
    share = last[1] / middle[1]
    return (_walked(guess, x_t, start, middle, last)[3] - share * x_t) / (last[0] - share * start[0])


def mistake_upside_down(guess, x_t, start, middle, last):
    """The share of the noise that is left is the last sigma divided by the first."""
    share = start[1] / last[1]
    return (_walked(guess, x_t, start, middle, last)[3] - share * x_t) / (last[0] - share * start[0])


def mistake_alphas_exchanged(guess, x_t, start, middle, last):
    """Collect what has x~ once more: alpha'' of the last level, less the share of the noise times the first alpha."""
    share = last[1] / start[1]
    return (_walked(guess, x_t, start, middle, last)[3] - share * x_t) / (start[0] - share * last[0])


def mistake_not_divided(guess, x_t, start, middle, last):
    """That is x~ times its factor: divide by alpha'' - (sigma'' / sigma) alpha."""
    return _walked(guess, x_t, start, middle, last)[3] - last[1] / start[1] * x_t


def mistake_plus(guess, x_t, start, middle, last):
    """In the single step x~ stands twice, the second time with a minus: below is a difference."""
    share = last[1] / start[1]
    return (_walked(guess, x_t, start, middle, last)[3] - share * x_t) / (last[0] + share * start[0])


def mistake_one_step(guess, x_t, start, middle, last):
    """The teacher is asked twice, the second time at the middle: you let it take one step all the way."""
    x_0 = guess(x_t, *start)
    end = last[0] * x_0 + last[1] / start[1] * (x_t - start[0] * x_0)
    share = last[1] / start[1]
    return (end - share * x_t) / (last[0] - share * start[0])


def mistake_first_noise(guess, x_t, start, middle, last):
    """In the second step the noise is found anew, in the middle, from the second guess: you keep the first one."""
    first, _, second, _ = _walked(guess, x_t, start, middle, last)
    end = last[0] * second + last[1] / start[1] * (x_t - start[0] * first)
    share = last[1] / start[1]
    return (end - share * x_t) / (last[0] - share * start[0])


def mistake_told_the_start(guess, x_t, start, middle, last):
    """In the second step the teacher must be told the middle level; you tell it the first one again."""
    x_0 = guess(x_t, *start)
    x = middle[0] * x_0 + middle[1] / start[1] * (x_t - start[0] * x_0)
    x_0 = guess(x, *start)
    end = last[0] * x_0 + last[1] / middle[1] * (x - middle[0] * x_0)
    share = last[1] / start[1]
    return (end - share * x_t) / (last[0] - share * start[0])


def right_by_euler(guess, x_t, start, middle, last):
    """In y and r, as in chapter 16: one slope from begin to end."""

    def step(x, now, then):
        x_0 = guess(x, *now)
        return then[0] * x_0 + then[1] * (x - now[0] * x_0) / now[1]

    end = step(step(x_t, start, middle), middle, last)
    matrix = np.array([[start[0], start[1]], [last[0], last[1]]], x_t.dtype)
    x_0, _ = np.linalg.solve(matrix, np.stack([x_t.ravel(), end.ravel()])).reshape(2, *x_t.shape)
    return x_0


def right_by_weights(guess, x_t, start, middle, last):
    """The new guess is a mean of the two, with weights by how much each step brings in."""
    (a0, s0), (a1, s1), (a2, s2) = start, middle, last
    first = guess(x_t, a0, s0)
    noise = (x_t - a0 * first) / s0
    second = guess(a1 * first + s1 * noise, a1, s1)
    of_first, of_second = s2 / s1 * (a1 - s1 / s0 * a0), a2 - s2 / s1 * a1
    return (of_first * first + of_second * second) / (of_first + of_second)
