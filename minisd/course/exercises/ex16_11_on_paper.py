"""Euler and Heun on paper

For data that are N(0, 1) the equation can be solved: $dy/dr = \\varepsilon = y\\, r / (1 + r^2)$. A point stands at
$y$ = <y> where $r$ = <r>. Take a single step of Heun's method to $r'$ = <r_prev>. Where does it end? (A number, to
three digits. For comparison: the exact end is $y \\sqrt{(1 + r'^2) / (1 + r^2)}$.)
"""

POINTS, MINUTES = 2, 15
HINTS = (
    "Euler's step first: slope at the begin, times r' - r, which is negative.",
    "The second slope is that of the equation at Euler's end, y~ r' / (1 + r'^2). Then the mean of the two.",
    "y + (r' - r) (y r / (1 + r^2) + y~ r' / (1 + r'^2)) / 2 with y~ = y + (r' - r) y r / (1 + r^2)",
)


def _slope(y, r):
    return y * r / (1 + r * r)


def _euler(y, r, r_prev):
    return y + (r_prev - r) * _slope(y, r)


def answer(y, r, r_prev):
    return y + (r_prev - r) * (_slope(y, r) + _slope(_euler(y, r, r_prev), r_prev)) / 2


def numbers(rng):
    y = (1.5, 2.5, 3.0, -2.0)[int(rng.integers(4))]
    return y, *((3.0, 1.0), (3.0, 1.5), (2.5, 0.5), (4.0, 1.5))[int(rng.integers(4))]


def mistake_euler(y, r, r_prev):
    """That is Euler's step. Heun's asks for the slope at its end, too, and takes the mean of both."""
    return _euler(y, r, r_prev)


def mistake_exact(y, r, r_prev):
    """That is the exact end; Heun's step misses it by a little."""
    return y * ((1 + r_prev * r_prev) / (1 + r * r)) ** 0.5


def mistake_end_slope(y, r, r_prev):
    """You go along the slope at the end alone; the mean of the two is wanted."""
    return y + (r_prev - r) * _slope(_euler(y, r, r_prev), r_prev)


def mistake_not_halved(y, r, r_prev):
    """The mean of the slopes is half of their sum."""
    return y + (r_prev - r) * (_slope(y, r) + _slope(_euler(y, r, r_prev), r_prev))


def mistake_upwards(y, r, r_prev):
    """r falls, so the step r' - r is negative."""
    there = y + (r - r_prev) * _slope(y, r)
    return y + (r - r_prev) * (_slope(y, r) + _slope(there, r_prev)) / 2


def mistake_old_place(y, r, r_prev):
    """The second slope is that at Euler's end, not that of the old y."""
    return y + (r_prev - r) * (_slope(y, r) + _slope(y, r_prev)) / 2
