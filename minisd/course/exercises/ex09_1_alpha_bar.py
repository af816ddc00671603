"""How much of the picture is left

Each of the $T$ steps of the forward process shrinks the picture and adds noise:

$$x_t = \\sqrt{1 - \\beta_t}\\, x_{t-1} + \\sqrt{\\beta_t}\\, \\varepsilon_t$$

All steps up to $t$ together are one such step, and what is left of the picture's variance is $\\bar\\alpha_t$. Write
the function that gives $\\bar\\alpha_t$ for every $t$, from the betas of shape (T,).
"""

import numpy as np

from minisd.diffusion.schedule import NoiseSchedule

POINTS, MINUTES = 1, 5
HINTS = (
    "Two steps with beta 0.1 and 0.2: by what is x_0 multiplied in the end? And its variance?",
    "Each step multiplies the variance of the picture's part by 1 - beta_t.",
    "A running product: NumPy has np.cumprod, and alpha_bar[t] includes step t itself.",
)


def alpha_bar(betas):
    """The running product of 1 - beta, of shape (T,)."""
    return NoiseSchedule.of_betas(betas).alpha_bar


def cases(rng, dtype):
    yield (np.array([0.1, 0.2]).astype(dtype),)
    yield (np.array([0.3]).astype(dtype),)
    yield (np.linspace(1e-4, 0.02, 40).astype(dtype),)
    for size in (5, 12):
        yield (rng.uniform(0.01, 0.6, size).astype(dtype),)


def mistake_sum(betas):
    """Shares of what is left are multiplied, not added: after two steps of 0.5 a quarter is left, and not nothing."""
    return 1 - np.cumsum(betas)


def mistake_product_of_betas(betas):
    """What stays at each step is 1 - beta: you multiply the betas themselves."""
    return np.cumprod(betas)


def mistake_without_t(betas):
    """Step t itself counts, too: your numbers are those of t - 1, and begin with 1."""
    return np.concatenate([np.ones(1), np.cumprod(1 - betas)[:-1]])


def mistake_root(betas):
    """alpha_bar is what is left of the variance; its square root is what multiplies x_0."""
    return np.sqrt(np.cumprod(1 - betas))


def mistake_exponential(betas):
    """exp(-sum of betas) is only near the product, while the betas are small."""
    return np.exp(-np.cumsum(betas))


def mistake_not_running(betas):
    """This is each step's own share; alpha_bar_t is the product of all up to t."""
    return 1 - betas


def right_loop(b):
    left, found = 1.0, []
    for share in b:
        left = left * (1 - share)
        found.append(left)
    return np.array(found)


def right_logarithms(betas):
    return np.exp(np.cumsum(np.log1p(-betas)))
