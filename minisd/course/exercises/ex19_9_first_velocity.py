"""The first velocity

Data are single numbers: <picture> with the probability <share>, else <other>. A flow was trained on them to perfection,
on straight paths from the data at t = 0 to noise of N(0, 1) at t = 1. A dot stands at x = <x> where t = 1. Which
velocity does the network say? (A number.)
"""

POINTS, MINUTES = 1, 10
HINTS = (
    "At t = 1 nothing is seen of the picture: x is the noise itself. Which pairs pass there, and what is their mean "
    "velocity?",
    "The mean over all pairs with this noise is x - E[x_0], and E[x_0] is the mean of the data.",
    "x - (share * picture + (1 - share) * other)",
)


def answer(picture, share, other, x):
    return x - (share * picture + (1 - share) * other)


def numbers(rng):
    picture, other = round(float(rng.uniform(1.2, 2)), 1), round(-float(rng.uniform(0.8, 2.5)), 1)
    return picture, (0.2, 0.3, 0.35, 0.4)[int(rng.integers(4))], other, round(float(rng.uniform(0.8, 1.5)), 1)


def mistake_towards_the_data(picture, share, other, x):
    """The velocity points the way that t grows, from picture to noise: noise less picture."""
    return (share * picture + (1 - share) * other) - x


def mistake_likelier(picture, share, other, x):
    """At t = 1 nothing tells the two apart, so the best answer is the mean of both, not the likelier one."""
    return x - (picture if share > 0.5 else other)


def mistake_nearer(picture, share, other, x):
    """At t = 1 the place x says nothing of the picture: being near to one of them does not count."""
    return x - (picture if abs(x - picture) < abs(x - other) else other)


def mistake_equal_shares(picture, share, other, x):
    """The two are not equally likely: weight each by its probability."""
    return x - (picture + other) / 2


def mistake_end(picture, share, other, x):
    """That is where a single step would end, the mean of the data; the velocity is x less that."""
    return share * picture + (1 - share) * other


def mistake_shares_exchanged(picture, share, other, x):
    """The probability given is that of the first number; you gave it to the other one."""
    return x - ((1 - share) * picture + share * other)
