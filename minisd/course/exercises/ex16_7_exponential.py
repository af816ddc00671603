"""A step that is exact for a straight line

In $x / \\sigma$, against $e^\\lambda = \\alpha / \\sigma$ as its clock, the slope is the predicted $x_0$. So, with
$\\lambda = \\ln(\\alpha / \\sigma)$, a step is without error

$$x' = \\frac{\\sigma'}{\\sigma}\\, x + \\sigma' \\int_\\lambda^{\\lambda'} e^l\\, x_0(l)\\, dl$$

(Lu et al. 2022, DPM-Solver++, section 4.1). Suppose that $x_0$ moves evenly in $\\lambda$ during the step:
$x_0(l) = x_0 + (l - \\lambda)\\, s$, with the slope s. Then the integral can be solved on paper. Do so, with $h =
\\lambda' - \\lambda$, and write the step. It must be exact for a step of any length; sigma' is above 0.
"""

import math

import numpy as np

POINTS, MINUTES = 4, 40
GIVEN = ("np", "math")
HINTS = (
    "Two integrals: of e^l, and of e^l (l - lambda), the second by parts. What is sigma' e^lambda'?",
    "The first gives alpha' (1 - e^-h) x_0. An antiderivative of e^l (l - lambda) is e^l (l - lambda - 1).",
    "sigma_prev / sigma * x + alpha_prev * (-math.expm1(-h)) * x_0 + alpha_prev * (h + math.expm1(-h)) * slope",
)


def line_step(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """x at the level (alpha_prev, sigma_prev), shaped as x."""
    h = math.log(alpha_prev / sigma_prev) - math.log(alpha / sigma)
    shrink = math.expm1(-h)  # e^-h - 1
    return sigma_prev / sigma * x - alpha_prev * shrink * x_0 + alpha_prev * (h + shrink) * slope


def cases(rng, dtype):
    for alpha, sigma, h in (
        (0.6, 0.8, 0.5),
        (0.1, 0.995, 2.0),
        (1.0, 9.0, 1.3),  # Karras et al. keep alpha at 1
        (0.3, 0.7, 0.05),
        (0.01, 1.0, 6.0),
        (0.9, 0.4, 0.2),
    ):
        ratio = sigma / alpha * math.exp(-h)
        alpha_prev = alpha if alpha == 1 else 1 / math.hypot(1, ratio)
        x, x_0, slope = (rng.standard_normal((2, 3, 2, 1)).astype(dtype) for _ in range(3))
        yield x, x_0, slope, alpha, sigma, alpha_prev, ratio * alpha_prev


def _parts(alpha, sigma, alpha_prev, sigma_prev):
    h = math.log(alpha_prev * sigma / (sigma_prev * alpha))
    return h, sigma_prev / sigma, math.expm1(-h)


def mistake_constant(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """x_0 moves during the step: that is DDIM's, which holds it fixed."""
    _, keep, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return keep * x - alpha_prev * shrink * x_0


def mistake_middle(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """You hold x_0 at its value in the middle of the step, as DPM-Solver++(2M) does: near, but not exact."""
    h, keep, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return keep * x - alpha_prev * shrink * (x_0 + h / 2 * slope)


def mistake_end(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """You hold x_0 at its value at the end of the step: integrate over the way there."""
    h, keep, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return keep * x - alpha_prev * shrink * (x_0 + h * slope)


def mistake_sign_of_the_slope(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """The slope's term has the other sign: h - 1 + e^-h is positive."""
    h, keep, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return keep * x - alpha_prev * shrink * x_0 - alpha_prev * (h + shrink) * slope


def mistake_no_decay(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """x is multiplied by sigma' / sigma: the noise in it shrinks."""
    h, _, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return x - alpha_prev * shrink * x_0 + alpha_prev * (h + shrink) * slope


def mistake_by_alpha(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """The factor of x is sigma' / sigma; alpha' / alpha goes with the noise's equation."""
    h, _, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return alpha_prev / alpha * x - alpha_prev * shrink * x_0 + alpha_prev * (h + shrink) * slope


def mistake_by_sigma(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """sigma' times e^lambda' is alpha': that is the factor of both integrals, not sigma'."""
    h, keep, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return keep * x - sigma_prev * shrink * x_0 + sigma_prev * (h + shrink) * slope


def mistake_squares(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """lambda is the logarithm of alpha / sigma, not of its square: your h is twice as long."""
    h, keep, _ = _parts(alpha, sigma, alpha_prev, sigma_prev)
    shrink = math.expm1(-2 * h)
    return keep * x - alpha_prev * shrink * x_0 + alpha_prev * (2 * h + shrink) * slope


def mistake_by_parts(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """By parts: e^l (l - lambda) less the integral of e^l; you forgot to subtract that."""
    h, keep, shrink = _parts(alpha, sigma, alpha_prev, sigma_prev)
    return keep * x - alpha_prev * shrink * x_0 + alpha_prev * h * slope


def mistake_wrong_way(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    """h is the new lambda less the old one, which is positive: lambda grows as the noise falls."""
    h, keep, _ = _parts(alpha, sigma, alpha_prev, sigma_prev)
    shrink = math.expm1(h)
    return keep * x - alpha_prev * shrink * x_0 + alpha_prev * (-h + shrink) * slope


def right_quadrature(x, x_0, slope, alpha, sigma, alpha_prev, sigma_prev):
    start, end = np.log(alpha / sigma), np.log(alpha_prev / sigma_prev)
    nodes, shares = np.polynomial.legendre.leggauss(24)
    at = (nodes + 1) / 2 * (end - start)
    weights = shares * (end - start) / 2 * np.exp(at + start)
    return sigma_prev * (x / sigma + float(weights.sum()) * x_0 + float((weights * at).sum()) * slope)


def right_antiderivatives(x, x_0, slope, a, s, a2, s2):
    h = math.log(a2 / a * s / s2)
    return s2 / s * x + (a2 - a * s2 / s) * x_0 + (a2 * (h - 1) + a * s2 / s) * slope
