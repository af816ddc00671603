"""The velocity of Gaussian data

Of data that are normal, with mean $\\mu$ and deviation s in each coordinate, the best velocity can be written down, and
a network's held against it. On the straight path $x_t = (1 - t) x_0 + t \\varepsilon$ is normal, too, with mean $(1 -
t) \\mu$ and variance $D = (1 - t)^2 s^2 + t^2$. Of what it is off its mean, $x_t - (1 - t) \\mu$, each part has a share
by its variance, and so

$$E[x_0 \\mid x_t] = \\mu + \\frac{(1 - t)\\, s^2}{D} \\left(x_t - (1 - t) \\mu\\right), \\qquad
E[\\varepsilon \\mid x_t] = \\frac{t}{D} \\left(x_t - (1 - t) \\mu\\right)$$

Return the best velocity, $E[\\varepsilon - x_0 \\mid x_t]$. t is a number from 0 to 1, both ends included: nothing may
be divided by t or by 1 - t.
"""

import numpy as np

from minisd.diffusion.schedule import NoiseLevel
from minisd.diffusion.toy import Clouds

POINTS, MINUTES = 2, 15
HINTS = (
    "The mean of a difference is the difference of the means: subtract the two lines of the statement.",
    "Away from mu both lines have the same factor, (x_t - (1 - t) mu) / D. Before it stands t less (1 - t) s^2.",
    "With D as above and off = x_t less (1 - t) mu, the velocity is (t - (1 - t) s^2) / D times off, less mu.",
)


def gaussian_velocity(x_t, t, mean, deviation):
    """The best velocity at x_t, shaped as it."""
    one_cloud = Clouds(np.full((1, 1), mean), np.ones(1), deviation)
    x_0, noise = one_cloud.denoise(x_t.reshape(-1, 1), NoiseLevel(0, 1 - t, t))
    return (noise - x_0).reshape(x_t.shape)


def cases(rng, dtype):
    for t, mean, deviation in ((0.3, 0.5, 0.5), (0.8, -1.0, 0.3), (0.0, 0.7, 0.6), (1.0, 0.4, 2.0), (0.5, 1.5, 1.6)):
        yield rng.standard_normal((2, 3, 2)).astype(dtype), t, mean, deviation


def _parts(x_t, t, mean, deviation):
    return x_t - (1 - t) * mean, (1 - t) ** 2 * deviation**2 + t**2


def mistake_picture_less_noise(x_t, t, mean, deviation):
    """The velocity is noise less picture: yours points to the picture."""
    away, D = _parts(x_t, t, mean, deviation)
    return mean - (t - (1 - t) * deviation**2) / D * away


def mistake_pure_noise(x_t, t, mean, deviation):
    """That is the velocity at t = 1, where nothing is seen of the picture; for t < 1 x_t tells of x_0, too."""
    return x_t - mean


def mistake_no_mean(x_t, t, mean, deviation):
    """x_0's mean is part of the guess: at t = 1 the velocity is the noise less mu."""
    away, D = _parts(x_t, t, mean, deviation)
    return (t - (1 - t) * deviation**2) / D * away


def mistake_mean_added(x_t, t, mean, deviation):
    """mu belongs to the picture, which is subtracted; you add it."""
    away, D = _parts(x_t, t, mean, deviation)
    return (t - (1 - t) * deviation**2) / D * away + mean


def mistake_whole_mean(x_t, t, mean, deviation):
    """In x_t the picture has the factor 1 - t, and so has its mean: the middle of x_t is (1 - t) mu."""
    _, D = _parts(x_t, t, mean, deviation)
    return (t - (1 - t) * deviation**2) / D * (x_t - mean) - mean


def mistake_deviation_not_squared(x_t, t, mean, deviation):
    """Shares go by the variance, s squared; you have s."""
    away = x_t - (1 - t) * mean
    return (t - (1 - t) * deviation) / ((1 - t) ** 2 * deviation + t**2) * away - mean


def mistake_factors_not_squared(x_t, t, mean, deviation):
    """The variance of (1 - t) x_0 is (1 - t)^2 s^2: the factors are squared in D."""
    away = x_t - (1 - t) * mean
    return (t - (1 - t) * deviation**2) / ((1 - t) * deviation**2 + t) * away - mean


def mistake_factor_squared_above(x_t, t, mean, deviation):
    """Above stands (1 - t) s^2: the share of the variance, (1 - t)^2 s^2 / D, is that of (1 - t) x_0, not of x_0."""
    away, D = _parts(x_t, t, mean, deviation)
    return (t**2 - (1 - t) ** 2 * deviation**2) / D * away - mean


def mistake_v(x_t, t, mean, deviation):
    """That is v, the velocity on the circle: alpha noise less sigma x_0. On the line it is the noise less x_0."""
    away, D = _parts(x_t, t, mean, deviation)
    x_0, noise = mean + (1 - t) * deviation**2 / D * away, t / D * away
    return (1 - t) * noise - t * x_0


def mistake_root_of_the_variance(x_t, t, mean, deviation):
    """Below stands the variance D of x_t; you divide by its root."""
    away, D = _parts(x_t, t, mean, deviation)
    return (t - (1 - t) * deviation**2) / np.sqrt(D) * away - mean


def mistake_noise_alone(x_t, t, mean, deviation):
    """That is the guess of the noise; the picture's is still to be subtracted."""
    away, D = _parts(x_t, t, mean, deviation)
    return t / D * away


def right_written_out(x_t, t, mean, deviation):
    away, D = _parts(x_t, t, mean, deviation)
    return (t - (1 - t) * deviation**2) / D * away - mean


def right_by_growth(x_t, t, mean, deviation):
    """Every dot keeps its place in the bell: what is off the mean grows as the bell's width does, D' / 2D."""
    spread = (1 - t) ** 2 * deviation**2 + t**2
    growth = 2 * t - 2 * (1 - t) * deviation**2
    return growth / (2 * spread) * (x_t - (1 - t) * mean) - mean
