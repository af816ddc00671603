"""Where two paths cross

Two straight paths, of pictures of a single number. One leads from the picture <a> at t = 0 to the noise <c> at t = 1,
the other from the picture <b> to the noise <d>. At which t do they cross, so that a network that is shown the place
cannot know which one it is on? (A number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "Both are (1 - t) x_0 + t noise. Where are they equal?",
    "(1 - t) a + t c = (1 - t) b + t d: collect what has t, and solve.",
    "Their distance is a - b at t = 0 and c - d at t = 1, of the other sign: t = (a - b) / ((a - b) + (d - c)).",
)


def answer(a, c, b, d):
    return (a - b) / ((a - b) + (d - c))


def numbers(rng):
    a, b = (round(sign * float(rng.uniform(0.7, 2)), 1) for sign in (1, -1))
    c, d = (round(sign * float(rng.uniform(0.1, 0.6)), 1) for sign in (-1, 1))
    return a, c, b, d


def mistake_time_reversed(a, c, b, d):
    """At t = 0 there is the picture: you counted the other way."""
    return (d - c) / ((a - b) + (d - c))


def mistake_middle(a, c, b, d):
    """They cross in the middle only if the pictures lie as far apart as the noises."""
    return 0.5


def mistake_place(a, c, b, d):
    """That is where they cross, x; the time was asked."""
    crossing = answer(a, c, b, d)
    return a + crossing * (c - a)


def mistake_ratio(a, c, b, d):
    """That is the ratio of the two distances; t is the first one's share of their sum."""
    return (a - b) / (d - c)


def mistake_sign(a, c, b, d):
    """Mind the sign of the noises' distance: at t = 1 the other path is above, so the distances add up."""
    return (a - b) / ((a - b) - (d - c))
