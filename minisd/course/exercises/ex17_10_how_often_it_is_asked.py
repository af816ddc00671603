"""What going back and forth costs

A whole way has <steps> steps. You begin with a picture at strength <strength>, so that only this share of the steps is
taken, and hold a part of it as it is. The way is cut into stretches of 2 steps, and each stretch is gone <resample>
times; between two times the noise is added back in one sum. How often is the network asked for its prediction, without
guidance? (A whole number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "How many steps are there from that strength down to the picture?",
    "Adding noise is arithmetic: no network is asked for it.",
    "round(steps * strength) * resample.",
)


def answer(steps, strength, resample):
    return round(steps * strength) * resample


def numbers(rng):
    strength = int(rng.choice([2, 3, 4, 6, 7, 8])) / 10
    return int(rng.choice([20, 40, 50, 60, 80, 100])), strength, int(rng.integers(3, 8))


def mistake_whole_way(steps, strength, resample):
    """From a picture only a share of the way is left: the strength's."""
    return steps * resample


def mistake_once(steps, strength, resample):
    """Each stretch is gone several times, and asks each time."""
    return round(steps * strength)


def mistake_kept(steps, strength, resample):
    """Strength is the share that is drawn anew, not the one that is kept."""
    return (steps - round(steps * strength)) * resample


def mistake_up_too(steps, strength, resample):
    """On the way back up no network is asked: noise is added."""
    return round(steps * strength) * (2 * resample - 1)


def mistake_stretches(steps, strength, resample):
    """The network is asked once a step, not once a stretch."""
    return -(-round(steps * strength) // 2) * resample
