"""How many singular values matter

The squared length of a change, the sum of the squares of its numbers, is the sum of the squares of its singular values,
and the nearest change of rank r holds the r largest of them. What is the smallest r whose nearest change holds at least
`share` of the squared length? The change is (C, O), or (kh, kw, C, O) of a convolution, which counts as a matrix of kh
kw C rows.
"""

import numpy as np

POINTS, MINUTES = 2, 15
HINTS = (
    "numpy.linalg.svd(matrix, compute_uv=False) gives the singular values alone, the largest first.",
    "How much do the first 1, 2, 3, ... hold? numpy.cumsum of the squares, beside the sum of all.",
    "One more than the number of sums that are still below share * total.",
)


def rank_needed(change, share):
    """The smallest rank, an int."""
    squares = np.linalg.svd(change.reshape(-1, change.shape[-1]), compute_uv=False) ** 2
    return int(np.sum(np.cumsum(squares) < share * squares.sum())) + 1


def _orthonormal(rng, rows, columns):
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def cases(rng, dtype):
    for shape, falling, share in (
        ((9, 7), 0.8, 0.8),
        ((6, 8), 0.9, 0.9),
        ((3, 2, 4, 9), 0.85, 0.7),
        ((2, 3, 5, 8), 0.7, 0.95),
        ((7, 7), 0.5, 0.6),
        ((12, 10), 0.95, 0.5),
    ):
        rows, O = int(np.prod(shape[:-1])), shape[-1]
        n = min(rows, O)
        s = falling ** np.arange(n)
        change = 3 * (_orthonormal(rng, rows, n) * s) @ _orthonormal(rng, O, n).T
        yield change.reshape(shape).astype(dtype), share


def _values(change):
    return np.linalg.svd(change.reshape(-1, change.shape[-1]), compute_uv=False)


def mistake_not_squared(change, share):
    """Lengths add up by their squares: you add the singular values themselves."""
    s = _values(change)
    return int(np.sum(np.cumsum(s) < share * s.sum())) + 1


def mistake_one_less(change, share):
    """That many terms hold less than the share: it takes one more."""
    return rank_needed(change, share) - 1


def mistake_beside_the_largest(change, share):
    """You count the values that are at least that part of the largest; asked is what the first r hold together."""
    s = _values(change)
    return int(np.sum(s >= share * s[0]))


def mistake_smallest_first(change, share):
    """The largest come first: you begin with the smallest, and need nearly all."""
    squares = _values(change)[::-1] ** 2
    return int(np.sum(np.cumsum(squares) < share * squares.sum())) + 1


def mistake_what_may_be_lost(change, share):
    """The first r shall hold `share`; yours hold what may be lost, 1 - share."""
    squares = _values(change) ** 2
    return int(np.sum(np.cumsum(squares) < (1 - share) * squares.sum())) + 1


def mistake_all_of_them(change, share):
    """That is the rank of the change itself, all values that are not 0; a share of it is asked for."""
    return int(np.linalg.matrix_rank(change.reshape(-1, change.shape[-1])))


def mistake_first_axis(change, share):
    """The columns are the O output channels; you make the first axis the rows and all others the columns."""
    squares = np.linalg.svd(change.reshape(len(change), -1), compute_uv=False) ** 2
    return int(np.sum(np.cumsum(squares) < share * squares.sum())) + 1


def right_eigenvalues(change, share):
    matrix = change.reshape(-1, change.shape[-1]).astype(float)
    squares = np.sort(np.linalg.eigvalsh(matrix.T @ matrix))[::-1]
    r, held = 0, 0.0
    while held < share * np.sum(matrix**2):
        held += squares[r]
        r += 1
    return r


def right_search(change, share):
    squares = np.linalg.svd(change.reshape(-1, change.shape[-1]), compute_uv=False).astype(float) ** 2
    return int(np.searchsorted(np.cumsum(squares) / squares.sum(), share)) + 1
