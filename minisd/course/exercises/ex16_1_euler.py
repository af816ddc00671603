"""Euler's step

DDIM's picture moves along an ordinary differential equation. In $y = x / \\alpha$, against the ratio $r = \\sigma /
\\alpha$ as its clock, it is as simple as can be (Song et al. 2021, equation 14):

$$\\frac{dy}{dr} = \\varepsilon$$

Euler's method goes straight on along the slope that it finds where it stands: $y' = y + (r' - r)\\, \\varepsilon$.
Write that step: from $x$ at the noise level $(\\alpha, \\sigma)$, where the model predicts `noise`, to $x'$ at
$(\\alpha', \\sigma')$, which are alpha_prev and sigma_prev. The noise falls; $\\sigma'$ may be 0. Nothing says that
$\\alpha^2 + \\sigma^2 = 1$.
"""

import numpy as np

POINTS, MINUTES = 2, 10
HINTS = (
    "Three lines: into y, one step there, and back into x. Which alpha belongs to which?",
    "y = x_t / alpha, and x' = alpha_prev y'. The step's length is the new ratio less the old one: it is negative.",
    "alpha_prev * (x_t / alpha + (sigma_prev / alpha_prev - sigma / alpha) * noise)",
)


def euler_step(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """x at the next level, shaped as x_t."""
    y_prev = x_t / alpha + (sigma_prev / alpha_prev - sigma / alpha) * noise
    return alpha_prev * y_prev


def cases(rng, dtype):
    levels = (
        (0.6, 0.8, 0.8, 0.6),
        (0.3, 0.7, 0.55, 0.45),  # flow matching
        (1.0, 9.0, 1.0, 2.5),  # Karras et al. keep alpha at 1
        (0.96, 0.28, 1.0, 0.0),
        (0.1, 0.99, 0.2, 0.97),
    )
    for level in levels:
        x_t, noise = rng.standard_normal((2, 2, 3, 2, 1)).astype(dtype)
        yield x_t, noise, *level


def mistake_upwards(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """The noise falls, so the step is negative: new ratio less old ratio, not the other way round."""
    return alpha_prev * (x_t / alpha - (sigma_prev / alpha_prev - sigma / alpha) * noise)


def mistake_sigmas(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """The clock is the ratio sigma / alpha; you take the difference of the sigmas themselves."""
    return alpha_prev * (x_t / alpha + (sigma_prev - sigma) * noise)


def mistake_stays_in_y(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """That is y' = x' / alpha_prev: multiply it by alpha_prev to come back."""
    return x_t / alpha + (sigma_prev / alpha_prev - sigma / alpha) * noise


def mistake_not_into_y(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """The step is one of y = x_t / alpha; you add it to x_t itself."""
    return alpha_prev * (x_t + (sigma_prev / alpha_prev - sigma / alpha) * noise)


def mistake_old_alpha(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """At the end alpha has become alpha_prev: you go back with the old one."""
    return alpha * (x_t / alpha + (sigma_prev / alpha_prev - sigma / alpha) * noise)


def mistake_one_alpha(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """Each sigma is divided by the alpha of its own level; you divide both by the first."""
    return alpha_prev * (x_t / alpha + (sigma_prev - sigma) / alpha * noise)


def mistake_in_x(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """In x the slope is not the noise alone: x shrinks or grows with alpha. Step in y = x / alpha."""
    return x_t + (sigma_prev / alpha_prev - sigma / alpha) * noise


def mistake_x_0(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    """That is all the way to the ratio 0, the predicted x_0: the step ends at the new ratio."""
    return (x_t - sigma * noise) / alpha


def right_ddim(x_t, noise, alpha, sigma, alpha_prev, sigma_prev):
    x_0 = (x_t - sigma * noise) / alpha
    return alpha_prev * x_0 + sigma_prev * noise


def right_two_factors(x, e, a, s, a2, s2):
    result = np.empty_like(x)
    for place in np.ndindex(*x.shape):
        result[place] = a2 / a * x[place] + (s2 - s * a2 / a) * e[place]
    return result
