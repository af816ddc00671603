"""How much must be shared

A training step should be <times> times faster on <threads> threads than on one. What part of its time on one thread, in
percent, must be shared out among the threads evenly, at the least? (Amdahl's law; to a tenth of a percent.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "Write down the time on p threads as a part of the time on one: (1 - f) + f / p. What must it be?",
    "It must be 1 / times. Solve for f.",
    "f (1 - 1 / p) = 1 - 1 / times.",
)


def answer(times, threads):
    return round(100 * (1 - 1 / times) / (1 - 1 / threads), 2)


def numbers(rng):
    threads = int(rng.integers(6, 17))
    return round(float(rng.uniform(2, threads / 2)), 1), threads


def mistake_the_rest(times, threads):
    """This is the part that may stay on one thread: the other part is asked for."""
    return 100 - answer(times, threads)


def mistake_infinite_threads(times, threads):
    """This would do with infinitely many threads: what is shared still takes f / p."""
    return 100 * (1 - 1 / times)


def mistake_ratio(times, threads):
    """The part is not times / threads: the time, not the speed, is the sum of two parts."""
    return 100 * times / threads


def mistake_not_percent(times, threads):
    """The answer is wanted in percent."""
    return answer(times, threads) / 100
