"""Winograd along a row: two outputs with four multiplications

A filter of three numbers stands at two places of a row of four:

$$y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2, \\qquad y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$$

These are six multiplications of a number of the data with a number of the filter. Make both outputs with four. What
counts is only data times filter, or sums of such: additions are free, and so are products with a plain number such as
1/2, because those with the filter are made once for a whole picture.

The numbers that you are given, `Number`, count these multiplications. They add, subtract and multiply as others do.
"""

import numpy as np

POINTS, MINUTES = 3, 40
HINTS = (
    "y0 + y1 and y0 - y1 have much in common. What does (d1 + d2)(g0 + g1 + g2) contain?",
    "Take m2 = (d1 + d2)(g0 + g1 + g2)/2 and m3 = (d2 - d1)(g0 - g1 + g2)/2. What are m2 + m3 and m2 - m3?",
    "m2 + m3 = d1 g1 + d2 (g0 + g2), so y0 needs (d0 - d2) g0 besides; y1 likewise needs a product with g2.",
)
GIVEN = ("np", "Number")


class Number:
    """A float that counts how often two of its kind were multiplied."""

    products = 0

    def __init__(self, value):
        self.value = float(value)

    def __add__(self, other):
        return Number(self.value + float(other))

    def __sub__(self, other):
        return Number(self.value - float(other))

    def __mul__(self, other):
        Number.products += isinstance(other, Number)
        return Number(self.value * float(other))

    def __truediv__(self, other):
        Number.products += isinstance(other, Number)
        return Number(self.value / float(other))

    def __rsub__(self, other):
        return Number(float(other) - self.value)

    def __neg__(self):
        return Number(-self.value)

    def __float__(self):
        return self.value

    __radd__ = __add__
    __rmul__ = __mul__


def winograd_row(d, g):
    """y0 and y1 from d = (d0, d1, d2, d3) and g = (g0, g1, g2)."""
    d0, d1, d2, d3 = d
    g0, g1, g2 = g
    m1, m4 = (d0 - d2) * g0, (d1 - d3) * g2
    m2, m3 = (d1 + d2) * ((g0 + g1 + g2) / 2), (d2 - d1) * ((g0 - g1 + g2) / 2)
    return m1 + m2 + m3, m2 - m3 - m4


def cases(rng, dtype):
    yield np.array([1, 2, 3, 4], dtype), np.array([1, 0, 0], dtype)
    for _ in range(3):
        yield rng.standard_normal(4).astype(dtype), rng.standard_normal(3).astype(dtype)


def probe(winograd_row, d, g):
    Number.products = 0
    y = winograd_row([Number(n) for n in d], [Number(n) for n in g])
    return {"y": [float(n) for n in y], "multiplications": Number.products}


def mistake_six(d, g):
    """The outputs are right, but they took six multiplications: four are enough."""
    return d[0] * g[0] + d[1] * g[1] + d[2] * g[2], d[1] * g[0] + d[2] * g[1] + d[3] * g[2]


def mistake_no_half(d, g):
    """The sums of the filter, g0 + g1 + g2 and g0 - g1 + g2, are halved: each product is added in twice."""
    m1, m4 = (d[0] - d[2]) * g[0], (d[1] - d[3]) * g[2]
    m2, m3 = (d[1] + d[2]) * (g[0] + g[1] + g[2]), (d[2] - d[1]) * (g[0] - g[1] + g[2])
    return m1 + m2 + m3, m2 - m3 - m4


def mistake_sign_of_the_last(d, g):
    """The last product has the other sign in y1: look at what d3 g2 must become."""
    y0, y1 = winograd_row(d, g)
    last = (d[1] - d[3]) * g[2]
    Number.products -= 1
    return y0, y1 + last + last


def mistake_turned_filter(d, g):
    """Your filter is turned round: g0 meets d0, and not d2."""
    return winograd_row(d, g[::-1])


def mistake_outputs_exchanged(d, g):
    """y0 and y1 are exchanged."""
    y0, y1 = winograd_row(d, g)
    return y1, y0


def mistake_sum_for_difference(d, g):
    """The products m2 and m3 add up in y0; in y1 they are subtracted, m2 - m3."""
    d0, d1, d2, d3 = d
    g0, g1, g2 = g
    m1, m4 = (d0 - d2) * g0, (d1 - d3) * g2
    m2, m3 = (d1 + d2) * ((g0 + g1 + g2) / 2), (d2 - d1) * ((g0 - g1 + g2) / 2)
    return m1 + m2 + m3, m2 + m3 - m4


def right_matrices(d, g):
    B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    return A_T @ ((G @ np.array(g)) * (B_T @ np.array(d)))


def right_other_signs(data, kernel):
    half_sum, half_difference = 0.5 * (kernel[0] + kernel[2]), 0.5 * kernel[1]
    near = (data[1] + data[2]) * (half_sum + half_difference)
    far = (data[1] - data[2]) * (half_sum - half_difference)
    return [near - far - (data[2] - data[0]) * kernel[0], near + far + (data[3] - data[1]) * kernel[2]]
