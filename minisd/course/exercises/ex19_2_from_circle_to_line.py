"""From the circle to the line

A network was trained by diffusion: at $x_t = \\alpha x_0 + \\sigma \\varepsilon$ it says $v = \\alpha \\varepsilon -
\\sigma x_0$. Someone wants to draw with it along the straight path, where a place is $x = (1 - t) x_0 + t \\varepsilon$
and the answer $\\varepsilon - x_0$. Return three things: the t of the straight path at which picture and noise stand in
the same proportion as in x_t; the x there, with the same $x_0$ and $\\varepsilon$ in it; and the velocity $\\varepsilon
- x_0$.

alpha and sigma are numbers, not both 0. Do not rely on $\\alpha^2 + \\sigma^2 = 1$: solve the two equations for $x_0$
and $\\varepsilon$.
"""

import numpy as np

from minisd.diffusion.prediction import x_0_and_noise

POINTS, MINUTES = 3, 20
HINTS = (
    "Two equations, x_t = alpha x_0 + sigma noise and v = alpha noise - sigma x_0: first solve them for x_0 and noise.",
    "x_0 = (alpha x_t - sigma v) / (alpha^2 + sigma^2), noise = (sigma x_t + alpha v) / (alpha^2 + sigma^2). And by "
    "what must x_t be divided so that its two factors add up to 1?",
    "t = sigma / (alpha + sigma); x = x_t / (alpha + sigma); velocity = noise - x_0",
)


def onto_the_line(x_t, v, alpha, sigma):
    """t, a number; x and the velocity, shaped as x_t."""
    x_0, noise = x_0_and_noise("v", v, x_t, alpha, sigma)
    return sigma / (alpha + sigma), x_t / (alpha + sigma), noise - x_0


def cases(rng, dtype):
    for alpha, sigma in ((0.8, 0.6), (0.28, 0.96), (1.0, 0.0), (0.0, 1.0), (0.3, 0.7), (1.0, 2.5), (0.999, 0.0447)):
        x_t, v = rng.standard_normal((2, 2, 3, 2, 1)).astype(dtype)
        yield x_t, v, alpha, sigma


def probe(onto_the_line, x_t, v, alpha, sigma):
    t, x, velocity = onto_the_line(x_t, v, alpha, sigma)
    return {"t": t, "x": x, "velocity": velocity}


def _both(x_t, v, alpha, sigma):
    square = alpha * alpha + sigma * sigma
    return (alpha * x_t - sigma * v) / square, (sigma * x_t + alpha * v) / square


def mistake_unit_circle(x_t, v, alpha, sigma):
    """The squares of alpha and sigma need not add up to 1: the determinant alpha^2 + sigma^2 belongs below."""
    return sigma / (alpha + sigma), x_t / (alpha + sigma), sigma * x_t + alpha * v - (alpha * x_t - sigma * v)


def mistake_half_unit_circle(x_t, v, alpha, sigma):
    """x_0 = alpha x_t - sigma v holds only where alpha^2 + sigma^2 is 1: divide by that sum."""
    x_0 = alpha * x_t - sigma * v
    noise = (x_t - alpha * x_0) / sigma if sigma else v
    return sigma / (alpha + sigma), x_t / (alpha + sigma), noise - x_0


def mistake_v_itself(x_t, v, alpha, sigma):
    """v is the velocity on the circle, alpha noise - sigma x_0; on the line it is noise - x_0."""
    return sigma / (alpha + sigma), x_t / (alpha + sigma), v


def mistake_v_scaled(x_t, v, alpha, sigma):
    """v mixes noise and picture by alpha and sigma; no factor makes noise - x_0 of it, without x_t."""
    return sigma / (alpha + sigma), x_t / (alpha + sigma), v / (alpha + sigma)


def mistake_reversed(x_t, v, alpha, sigma):
    """The velocity points from the picture to the noise: noise - x_0, not x_0 - noise."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    return sigma / (alpha + sigma), x_t / (alpha + sigma), x_0 - noise


def mistake_sigma_is_t(x_t, v, alpha, sigma):
    """sigma is not t: alpha and sigma do not add up to 1, so divide both by their sum."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    return sigma, x_t, noise - x_0


def mistake_sigma_is_t_with_x_mixed_anew(x_t, v, alpha, sigma):
    """At t = sigma the picture's factor is 1 - sigma: another proportion of picture and noise than alpha to sigma."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    return sigma, (1 - sigma) * x_0 + sigma * noise, noise - x_0


def mistake_angle(x_t, v, alpha, sigma):
    """The angle's share of the quarter circle is not t: ask for the same proportion of noise and picture."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    t = np.arctan2(sigma, alpha) / (np.pi / 2)
    return t, (1 - t) * x_0 + t * noise, noise - x_0


def mistake_not_scaled(x_t, v, alpha, sigma):
    """Divide x_t by alpha + sigma, too: its factors must become 1 - t and t."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    return sigma / (alpha + sigma), x_t, noise - x_0


def mistake_velocity_scaled(x_t, v, alpha, sigma):
    """The velocity is noise - x_0 of the same x_0 and noise: it is not divided by alpha + sigma, as the place is."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    return sigma / (alpha + sigma), x_t / (alpha + sigma), (noise - x_0) / (alpha + sigma)


def mistake_divided_by_alpha(x_t, v, alpha, sigma):
    """x_t / alpha and sigma / alpha leave the picture as it is, as Karras et al. do; on the line the factors add up
    to 1: divide by alpha + sigma."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    below = alpha if alpha else 1e-3
    return sigma / below, x_t / below, noise - x_0


def mistake_time_reversed(x_t, v, alpha, sigma):
    """t is the noise's share, sigma / (alpha + sigma): yours is the picture's."""
    x_0, noise = _both(x_t, v, alpha, sigma)
    return alpha / (alpha + sigma), x_t / (alpha + sigma), noise - x_0


def mistake_signs(x_t, v, alpha, sigma):
    """In x_0 the v counts minus, and in the noise plus: you have them the other way round."""
    square = alpha * alpha + sigma * sigma
    x_0, noise = (alpha * x_t + sigma * v) / square, (sigma * x_t - alpha * v) / square
    return sigma / (alpha + sigma), x_t / (alpha + sigma), noise - x_0


def right_in_one(x_t, v, alpha, sigma):
    velocity = ((sigma - alpha) * x_t + (sigma + alpha) * v) / (alpha**2 + sigma**2)
    return sigma / (alpha + sigma), x_t / (alpha + sigma), velocity


def right_by_solving(x_t, v, alpha, sigma):
    matrix = np.array([[alpha, sigma], [-sigma, alpha]])
    x_0, noise = np.linalg.solve(matrix, np.stack([x_t.ravel(), v.ravel()])).reshape(2, *x_t.shape)
    share = 1 / (1 + alpha / sigma) if sigma else 0.0
    return share, (1 - share) * x_0 + share * noise, noise - x_0
