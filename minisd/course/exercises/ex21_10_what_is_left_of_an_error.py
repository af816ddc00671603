"""What is left of an error?

Data are normal, with the deviation $s$ = <s>. A student's first answer is off the true end by <error>. It is noised to
$\\alpha$ = <alpha>, $\\sigma$ = <sigma>, and asked again, and this time its answer is exact:

$$f(x) = m + s\\, \\frac{x - \\alpha m}{\\sqrt{\\alpha^2 s^2 + \\sigma^2}}$$

How far is the picture off from where it would have come to without the first error, with the same noise? (A number.)
"""

import math

POINTS, MINUTES = 1, 10
HINTS = (
    "How far is the noised picture off, and what does f make of a difference?",
    "Noising multiplies the error by alpha, and f is a straight line: it multiplies differences by its slope.",
    "alpha s error / sqrt(alpha^2 s^2 + sigma^2)",
)


def answer(s, error, alpha, sigma):
    return alpha * s * error / math.hypot(alpha * s, sigma)


def numbers(rng):
    alpha, sigma = ((0.6, 0.8), (0.8, 0.6), (0.28, 0.96))[int(rng.integers(3))]
    return (0.5, 1.5, 2.0)[int(rng.integers(3))], (0.2, 0.3, 0.7)[int(rng.integers(3))], alpha, sigma


def mistake_noised_alone(s, error, alpha, sigma):
    """So far is the noised picture off; then f is asked, and its slope is not 1."""
    return alpha * error


def mistake_slope_alone(s, error, alpha, sigma):
    """Noising scales the picture by alpha, and the error in it as well."""
    return s * error / math.hypot(alpha * s, sigma)


def mistake_mean_of_the_posterior(s, error, alpha, sigma):
    """That is the slope of the mean of all pictures, a diffusion model's answer; f has the root below."""
    return alpha * error * alpha * s * s / (alpha * alpha * s * s + sigma * sigma)


def mistake_nothing_is_left(s, error, alpha, sigma):
    """The exact f knows nothing of what x should have been: it leads from where x is, and a part of the error stays."""
    return 0.0


def mistake_all_is_left(s, error, alpha, sigma):
    """The noise drowns a part of it: follow the error through both lines, the noising and f."""
    return error


def mistake_no_root(s, error, alpha, sigma):
    """Below stands the root of the variance."""
    return alpha * s * error / (alpha * alpha * s * s + sigma * sigma)
