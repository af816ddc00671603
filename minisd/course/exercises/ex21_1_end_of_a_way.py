"""The end of a way

A sampler without fresh noise leads a point from pure noise to a picture along one way. Pictures are single numbers
here, normal with mean $m$ and deviation $s$. Noised, $x_t = \\alpha x_0 + \\sigma \\varepsilon$ is normal, too, and its
variance is $\\alpha^2 s^2 + \\sigma^2$. No two ways meet, so a way keeps its rank in the crowd, and that is here: it
stays as many standard deviations from the mean as it began with.

Return where the way ends that passes through x_t: the exact $f(x_t, t)$. alpha and sigma are numbers, not both 0;
nothing says that $\\alpha^2 + \\sigma^2 = 1$.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "What are the mean and the deviation of x_t, and by how many of these deviations is x_t off its mean?",
    "The mean of x_t is alpha m, its deviation the root of the variance above. At the end there are as many "
    "deviations, now of length s, from the mean m.",
    "m + s z, where z is x_t less alpha m, divided by np.sqrt(alpha**2 * s**2 + sigma**2).",
)


def end_of_a_way(x_t, alpha, sigma, mean, deviation):
    """The x_0 that the way through x_t ends at, shaped as x_t."""
    deviations = (x_t - alpha * mean) / np.hypot(alpha * deviation, sigma)
    return mean + deviation * deviations


def cases(rng, dtype):
    levels = ((0.6, 0.8), (0.28, 0.96), (1.0, 0.0), (0.0, 1.0), (0.3, 0.7), (1.0, 2.5))
    for (alpha, sigma), mean, s in zip(
        levels, (0.5, -1.0, 0.7, 1.2, 2.0, -0.6), (0.5, 1.6, 0.3, 0.8, 1.3, 0.4), strict=True
    ):
        yield rng.standard_normal((2, 3, 2)).astype(dtype), alpha, sigma, mean, s


def _variance(alpha, sigma, s):
    return alpha**2 * s**2 + sigma**2


def mistake_mean_of_the_posterior(x_t, alpha, sigma, mean, deviation):
    """That is what a diffusion model says: the mean of all x_0 that x_t may have come from. The way ends elsewhere."""
    return mean + alpha * deviation**2 / _variance(alpha, sigma, deviation) * (x_t - alpha * mean)


def mistake_deviations_added(x_t, alpha, sigma, mean, deviation):
    """The variances of picture and noise add up, not their deviations: alpha^2 s^2 + sigma^2, and then the root."""
    return mean + deviation * (x_t - alpha * mean) / (alpha * deviation + sigma)


def mistake_no_root(x_t, alpha, sigma, mean, deviation):
    """You divide by the variance; a deviation is its root."""
    return mean + deviation * (x_t - alpha * mean) / _variance(alpha, sigma, deviation)


def mistake_mean_not_scaled(x_t, alpha, sigma, mean, deviation):
    """The mean of x_t is alpha m: the picture is scaled, and its mean with it."""
    return mean + deviation * (x_t - mean) / np.sqrt(_variance(alpha, sigma, deviation))


def mistake_no_mean_at_the_end(x_t, alpha, sigma, mean, deviation):
    """The end lies about the mean m of the data: add it."""
    return deviation * (x_t - alpha * mean) / np.sqrt(_variance(alpha, sigma, deviation))


def mistake_deviations_counted(x_t, alpha, sigma, mean, deviation):
    """You count the deviations; each of them is s long at the end."""
    return mean + (x_t - alpha * mean) / np.sqrt(_variance(alpha, sigma, deviation))


def mistake_variance_of_the_data(x_t, alpha, sigma, mean, deviation):
    """A deviation of the data is s, not its square."""
    return mean + deviation**2 * (x_t - alpha * mean) / np.sqrt(_variance(alpha, sigma, deviation))


def mistake_variance_one(x_t, alpha, sigma, mean, deviation):
    """The deviation of x_t is 1 only if that of the data is, too: picture and noise add up to alpha^2 s^2 + sigma^2."""
    return mean + deviation * (x_t - alpha * mean)


def mistake_s_not_scaled(x_t, alpha, sigma, mean, deviation):
    """In x_t the picture is multiplied by alpha, and so is its deviation: alpha^2 s^2 + sigma^2."""
    return mean + deviation * (x_t - alpha * mean) / np.sqrt(deviation**2 + sigma**2)


def mistake_alpha_not_squared(x_t, alpha, sigma, mean, deviation):
    """A variance grows with the square of the factor: alpha^2 s^2."""
    return mean + deviation * (x_t - alpha * mean) / np.sqrt(alpha * deviation**2 + sigma**2)


def mistake_no_mean(x_t, alpha, sigma, mean, deviation):
    """Count the deviations from the mean of x_t, alpha m, and lay them off from m: you have no mean anywhere."""
    return deviation * x_t / np.sqrt(_variance(alpha, sigma, deviation))


def right_by_factors(x_t, alpha, sigma, mean, deviation):
    gain = deviation / (alpha * alpha * deviation * deviation + sigma * sigma) ** 0.5
    return gain * x_t + mean * (1 - gain * alpha)


def right_number_by_number(x, a, b, m, s):
    result = np.empty_like(x)
    for place in np.ndindex(*x.shape):
        z = (x[place] - a * m) / np.sqrt((a * s) ** 2 + b**2)
        result[place] = m + z * s
    return result
