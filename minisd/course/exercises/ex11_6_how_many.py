"""How many drawings are enough?

About <percent> % of a model's drawings are right. You want to know that to within <margin> percentage points, with 95 %
confidence: 1.96 standard errors are to be <margin> points. How many drawings must the judge read? (A number; three
digits are enough.)
"""

POINTS, MINUTES = 2, 10
HINTS = (
    "Write p for the share and w for the margin, both between 0 and 1. Which equation holds for n?",
    "1.96 sqrt(p (1 - p) / n) = w. Solve it for n.",
    "n = 1.96^2 p (1 - p) / w^2",
)


def answer(percent, margin):
    p, w = percent / 100, margin / 100
    return 1.96**2 * p * (1 - p) / w**2


def numbers(rng):
    return int(rng.choice([60, 70, 80, 85, 90, 95])), int(rng.choice([1, 2, 3, 4]))


def mistake_one_sigma(percent, margin):
    """95 % lie within 1.96 standard errors, not within one."""
    return answer(percent, margin) / 1.96**2


def mistake_not_squared(percent, margin):
    """The root over n makes a square of the margin: half the margin needs four times as many."""
    p, w = percent / 100, margin / 100
    return 1.96 * (p * (1 - p)) ** 0.5 / w


def mistake_worst_case(percent, margin):
    """p (1 - p) is 1/4 for a coin alone; here p is known, and fewer are enough."""
    return 1.96**2 / 4 / (margin / 100) ** 2


def mistake_percent_mixed(percent, margin):
    """Both are shares of 1: you have the margin in points and p as a share."""
    return 1.96**2 * percent / 100 * (1 - percent / 100) / margin**2
