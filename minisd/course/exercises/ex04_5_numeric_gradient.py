r"""A gradient without calculus

Whether a gradient is right can be tried: move one number by h to both sides, and look how much the result changes.

$$\frac{\partial f}{\partial x_k} \approx \frac{f(x + h e_k) - f(x - h e_k)}{2h}$$

The error shrinks with the square of h, where one side alone would leave one in h itself. Write the function for an
array x of any shape. Compute in float64, whatever type x has; f takes an array and returns a number. Leave x as it was.
"""

import numpy as np

POINTS, MINUTES = 3, 25
HINTS = (
    "How many times must f be called for an array of 6 numbers?",
    "`np.ndindex(*x.shape)` goes through all places. Work on copies: `np.array(x, np.float64)`.",
    "For each place take two copies of x, one with h more there and one with h less, and divide the difference of f by "
    "2 h.",
)


def numeric_gradient(f, x, h):
    """The approximate gradient of f at x, of the shape of x, in float64."""
    grad = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        up, down = np.array(x, np.float64), np.array(x, np.float64)
        up[place] += h
        down[place] -= h
        grad[place] = (f(up) - f(down)) / (2 * h)
    return grad


def cases(rng, dtype):
    yield "cubes", rng.standard_normal(3).astype(dtype), 0.1
    yield "exponentials", rng.standard_normal((2, 3)).astype(dtype), 0.2
    yield "neighbours", rng.standard_normal((3, 2, 2)).astype(dtype), 0.1
    yield "neighbours", rng.standard_normal((2, 4)).astype(dtype).T, 0.1
    yield "exponentials", rng.standard_normal((2, 2)).astype(dtype), 1e-5
    yield "one number", rng.standard_normal(()).astype(dtype), 0.05
    yield "neighbours", rng.standard_normal((1, 4)).astype(dtype), 0.3


def probe(numeric_gradient, name, x, h):
    functions = {
        "cubes": lambda x: (x**3).sum(),
        "exponentials": lambda x: np.exp(x * (1 + np.arange(x.size).reshape(x.shape))).sum() / 10,
        "neighbours": lambda x: (x.ravel()[1:] ** 3 * x.ravel()[:-1] ** 2).sum() + x.sum(),
        "one number": lambda x: float(np.exp(2 * x) + x**3),
    }
    return numeric_gradient(functions[name], x, h)


def _moved(x, place, by):
    other = np.array(x, np.float64)
    other[place] += by
    return other


def _each(x, slope):
    return np.array([slope(place) for place in np.ndindex(*x.shape)], np.float64).reshape(x.shape)


def mistake_one_side(f, x, h):
    """That is the difference to one side, whose error is as large as h: move x to both."""
    return _each(x, lambda place: (f(_moved(x, place, h)) - f(np.array(x, np.float64))) / h)


def mistake_divided_by_h(f, x, h):
    """From x - h to x + h it is 2h: divide by that."""
    return _each(x, lambda place: (f(_moved(x, place, h)) - f(_moved(x, place, -h))) / h)


def mistake_not_divided(f, x, h):
    """The change of f must be divided by the change of x, 2h."""
    return _each(x, lambda place: f(_moved(x, place, h)) - f(_moved(x, place, -h)))


def mistake_sign(f, x, h):
    """f(x + h) - f(x - h), in this order: the sign is the other one."""
    return _each(x, lambda place: (f(_moved(x, place, -h)) - f(_moved(x, place, h))) / (2 * h))


def mistake_not_moved_back(f, x, h):
    """Only one number is moved at a time: move it back before the next one's turn."""
    x, grad = np.array(x, np.float64), np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        x[place] += h
        above = f(x)
        x[place] -= 2 * h
        grad[place] = (above - f(x)) / (2 * h)
    return grad


def mistake_all_at_once(f, x, h):
    """One number is moved at a time; yours are all moved together."""
    x = np.array(x, np.float64)
    return np.full(x.shape, (f(x + h) - f(x - h)) / (2 * h))


def mistake_flat(f, x, h):
    """The gradient has the shape of x; yours is flat."""
    return numeric_gradient(f, x, h).ravel()


def mistake_half_a_step(f, x, h):
    """You move by h / 2 to each side: the formula moves by h, and divides by 2h."""
    return _each(x, lambda place: (f(_moved(x, place, h / 2)) - f(_moved(x, place, -h / 2))) / h)


def right_in_place(f, x, h):
    x = x.astype(np.float64)
    slopes = np.empty(x.shape)
    for k in range(x.size):
        old = x.flat[k]
        x.flat[k] = old + h
        above = f(x)
        x.flat[k] = old - h
        below = f(x)
        x.flat[k] = old
        slopes.flat[k] = (above - below) / h / 2
    return slopes


def right_directions(function, point, step):
    steps = step * np.eye(point.size).reshape(point.size, *point.shape)
    point = np.asarray(point, dtype=float)
    return np.array([(function(point + e) - function(point - e)) / (2 * step) for e in steps]).reshape(point.shape)
