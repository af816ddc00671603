"""How far off may it be?

A judge reads <right> of <count> drawings as they were asked for. What is the standard error of this accuracy,
$\\sqrt{p (1 - p) / n}$? (A number between 0 and 1, to three digits.)
"""

POINTS, MINUTES = 1, 5
HINTS = (
    "p is the share that is right. How large is it?",
    "p (1 - p) is the variance of one drawing's being right; the mean of n has an n-th of it.",
    "Divide p (1 - p) by the number of drawings, and take the root.",
)


def answer(right, count):
    p = right / count
    return (p * (1 - p) / count) ** 0.5


def numbers(rng):
    count = int(rng.choice([50, 80, 100, 200, 400]))
    return int(count * rng.choice([0.6, 0.7, 0.8, 0.9])), count


def mistake_variance(right, count):
    """That is the variance; the error is its square root."""
    return right / count * (1 - right / count) / count


def mistake_one_drawing(right, count):
    """That is one drawing's deviation; the mean of n has less, by the root of n."""
    return (right / count * (1 - right / count)) ** 0.5


def mistake_95_percent(right, count):
    """That is 1.96 standard errors, half the width of a 95 % interval."""
    return 1.96 * answer(right, count)


def mistake_root_of_n(right, count):
    """1 / sqrt(n) lacks the factor sqrt(p (1 - p))."""
    return count**-0.5
