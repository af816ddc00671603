"""Where a token lies, as waves

A token is told its place by numbers that are added to it. Chapter 9 told a network the time so, by waves: of a whole
number k, with `half` numbers,

$$E(k) = (\\cos k \\omega_0, \\, \\cos k \\omega_1, \\dots, \\, \\sin k \\omega_0, \\, \\sin k \\omega_1, \\dots),
\\quad \\omega_i = 10000^{-i / n}, \\quad i = 0 \\dots n - 1, \\quad n = \\mathrm{half} / 2$$

all cosines first, then all sines. A place in a picture has two numbers, row and column. So of `width` numbers the
first half are E of the row, the other half E of the column. Rows and columns are counted from 0.

Return all h x w places, (h w, width), in the order of the tokens: along the first row, then the next. `width` is a
multiple of 4.
"""

import numpy as np

from minisd.models.dit import positions as of_the_library

POINTS, MINUTES = 2, 20
HINTS = (
    "In which row and in which column is token number k, if a row has w tokens? (Whole division, and its remainder.)",
    "There are width / 4 frequencies. Angles are place times frequency, (h w, width / 4); that for rows, for columns.",
    "Four arrays side by side: cosines and sines of the rows' angles, cosines and sines of the columns'.",
)


def positions(h, w, width):
    """What is added to each token, (h w, width)."""
    return of_the_library(h, w, width)


def cases(rng, dtype):
    yield from ((2, 3, 4), (3, 2, 8), (7, 7, 12), (1, 5, 16), (4, 1, 8))


def _waves(k, frequencies):
    angles = k[:, None] * frequencies
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def _frequencies(n):
    return 10000.0 ** (-np.arange(n) / n)


def _rows_and_columns(h, w):
    return np.arange(h * w) // w, np.arange(h * w) % w


def _placed(row, column, width):
    return np.concatenate([_waves(k, _frequencies(width // 4)) for k in (row, column)], axis=1)


def _all(h, w, width):
    row, column = _rows_and_columns(h, w)
    return _placed(row, column, width)


def mistake_one_dimension(h, w, width):
    """That is the token's number in the row, as a text has it: a picture's place has two numbers, and the token below
    is a neighbour, too."""
    return _waves(np.arange(h * w), _frequencies(width // 2))


def mistake_column_first(h, w, width):
    """The first half of the numbers are the row's waves: yours are the column's."""
    row, column = _rows_and_columns(h, w)
    return _placed(column, row, width)


def mistake_down_first(h, w, width):
    """Tokens go along the rows: token 1 is right of token 0, not under it."""
    return _placed(np.arange(h * w) % h, np.arange(h * w) // h, width)


def mistake_divided_by_height(h, w, width):
    """A row has w tokens: the row of token k is k // w."""
    return _placed(np.arange(h * w) // h, np.arange(h * w) % h, width)


def mistake_sines_first(h, w, width):
    """Cosines come first, then sines."""
    parts = np.split(_all(h, w, width), 4, axis=1)
    return np.concatenate([parts[i] for i in (1, 0, 3, 2)], axis=1)


def mistake_interleaved(h, w, width):
    """All cosines come first, then all sines: yours alternate."""
    parts = np.split(_all(h, w, width), 2, axis=1)
    return np.concatenate([np.stack(np.split(part, 2, axis=1), axis=2).reshape(h * w, -1) for part in parts], axis=1)


def mistake_cosines_of_both_first(h, w, width):
    """The row's cosines and sines come first, then the column's: you have the cosines of both before the sines."""
    parts = np.split(_all(h, w, width), 4, axis=1)
    return np.concatenate([parts[i] for i in (0, 2, 1, 3)], axis=1)


def mistake_frequencies_of_all(h, w, width):
    """Row and column have width / 4 frequencies each, and their exponents are i / (width / 4), nearly down to 1/10000:
    you count as if there were more."""
    frequencies = 10000.0 ** (-np.arange(width // 4) / (width // 2))
    return np.concatenate([_waves(k, frequencies) for k in _rows_and_columns(h, w)], axis=1)


def mistake_to_the_end(h, w, width):
    """The last frequency is not 1/10000: exponents are i / n, with i up to n - 1, and yours go up to 1."""
    frequencies = 10000.0 ** -np.linspace(0, 1, width // 4)
    return np.concatenate([_waves(k, frequencies) for k in _rows_and_columns(h, w)], axis=1)


def mistake_from_one(h, w, width):
    """Rows and columns are counted from 0: yours begin at 1."""
    row, column = _rows_and_columns(h, w)
    return _placed(row + 1, column + 1, width)


def mistake_added(h, w, width):
    """Row and column are laid side by side: you add their waves, and then (1, 2) and (2, 1) are one place."""
    return sum(_waves(k, _frequencies(width // 2)) for k in _rows_and_columns(h, w))


def mistake_shares(h, w, width):
    """Rows and columns are counted in tokens, 0, 1, 2: you made shares of the picture of them."""
    row, column = _rows_and_columns(h, w)
    return _placed(row / h, column / w, width)


def mistake_grid_kept(h, w, width):
    """The places stand in one row, as the tokens do, (h w, width): you left them in a grid."""
    return _all(h, w, width).reshape(h, w, width)


def mistake_frequencies_upwards(h, w, width):
    """The frequencies fall, from 1 downwards: the exponent is negative."""
    with np.errstate(all="ignore"):
        return np.concatenate([_waves(k, 1 / _frequencies(width // 4)) for k in _rows_and_columns(h, w)], axis=1)


def right_loops(h, w, width):
    n = width // 4
    places = []
    for row in range(h):
        for column in range(w):
            angles = [[k / 10000 ** (i / n) for i in range(n)] for k in (row, column)]
            places.append([wave(angle) for of in angles for wave in (np.cos, np.sin) for angle in of])
    return np.array(places)


def right_by_repeating(h, w, width):
    omega = np.exp(-np.log(10000.0) * np.arange(width // 4) / (width // 4))
    down, across = np.arange(h)[:, None] * omega, np.arange(w)[:, None] * omega
    down, across = np.repeat(down, w, axis=0), np.tile(across, (h, 1))
    return np.hstack([np.cos(down), np.sin(down), np.cos(across), np.sin(across)])
