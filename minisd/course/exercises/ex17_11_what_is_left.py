"""What is left of the picture

A model was trained by flow matching, where at strength s a drawing begins at x_t = (1 - s) x_0 + s noise. The numbers
of the picture x_0 have mean 0 and standard deviation <deviation>, those of the noise 1. Image-to-image begins at
strength <strength>. Which share of the variance of x_t comes from the picture? (From 0 to 1, to three digits.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "The variance of x_t is a sum of two: the picture's part and the noise's.",
    "A factor stands squared before a variance.",
    "s = strength: ((1 - s) deviation)^2 / (((1 - s) deviation)^2 + s^2).",
)


def answer(deviation, strength):
    signal = ((1 - strength) * deviation) ** 2
    return signal / (signal + strength**2)


def numbers(rng):
    return int(rng.choice([6, 7, 8, 13, 15])) / 10, int(rng.choice([25, 30, 35, 40, 55, 60, 70])) / 100


def mistake_factor(deviation, strength):
    """1 - s is the picture's factor, not its share of the variance."""
    return 1 - strength


def mistake_not_squared(deviation, strength):
    """That is a share of deviations: variances are squares."""
    return (1 - strength) * deviation / ((1 - strength) * deviation + strength)


def mistake_deviation_forgotten(deviation, strength):
    """The picture's deviation is not 1: it stands in its part."""
    return (1 - strength) ** 2 / ((1 - strength) ** 2 + strength**2)


def mistake_noise_share(deviation, strength):
    """That is the noise's share: the picture's is the rest."""
    return 1 - answer(deviation, strength)


def mistake_variance_kept(deviation, strength):
    """The two factors' squares do not add up to 1 in flow matching: divide by the sum of both parts."""
    return ((1 - strength) * deviation) ** 2


def mistake_by_the_noise(deviation, strength):
    """That is signal by noise: the share is signal by both together."""
    return ((1 - strength) * deviation / strength) ** 2
