"""What a drawing costs

A sampler takes <steps> steps, evenly spaced downwards from t = 999 (t = 1000 k / <steps> - 1, for k = <steps>, ..., 1).
At every step the network is asked with the prompt; from t = <low> on, below t = <high>, the drawing is guided, and it
is asked without the prompt besides. How many times does the network look at a picture, to draw one? (A whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "List the times: the first is 999, and each is how much lower than the one before?",
    "Every step asks once. How many of them ask a second time?",
    "steps + the number of times with low <= t < high.",
)


def answer(steps, low, high):
    return steps + sum(low <= 1000 * k // steps - 1 < high for k in range(1, steps + 1))


def numbers(rng):
    return int(rng.choice([20, 25, 40, 50])), 100 * int(rng.integers(1, 5)), 100 * int(rng.integers(6, 10))


def mistake_all_twice(steps, low, high):
    """Outside the interval it is asked once a step."""
    return 2 * steps


def mistake_once(steps, low, high):
    """Guided steps ask twice, with the prompt and without it."""
    return steps


def mistake_guided_alone(steps, low, high):
    """The steps that are not guided ask, too, once each."""
    return 2 * (answer(steps, low, high) - steps)


def mistake_by_t(steps, low, high):
    """Only the times that are visited count, not every t of the interval."""
    return steps + high - low
