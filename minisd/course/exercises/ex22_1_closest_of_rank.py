"""The nearest change of low rank

A layer's weight has changed by `change`: (C, O), or (kh, kw, C, O) of a convolution, which counts as a matrix of kh kw
C rows. Its singular value decomposition is a sum of products of a column and a row,

$$\\Delta = \\sum_k s_k\\, u_k v_k^\\top, \\qquad s_1 \\ge s_2 \\ge \\dots \\ge 0$$

and of all changes of rank r the first r terms are the nearest (Eckart and Young 1936). Return them, in the shape of
`change`. With an r of all terms or more, that is the change itself.
"""

import numpy as np

POINTS, MINUTES = 3, 25
HINTS = (
    "numpy.linalg.svd takes a matrix: what are the rows of a convolution's weight, and what are its columns?",
    "It returns U, s and the rows v_k. Each column of U[:, :r] is to be multiplied by its s_k.",
    "(U[:, :r] * s[:r]) @ V[:r] of change.reshape(-1, O), full_matrices=False, and back into the shape.",
)


def closest_of_rank(change, r):
    """The nearest change of rank r, shaped as `change`."""
    U, s, V = np.linalg.svd(change.reshape(-1, change.shape[-1]), full_matrices=False)
    return ((U[:, :r] * s[:r]) @ V[:r]).reshape(change.shape)


def _orthonormal(rng, rows, columns):
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]


def cases(rng, dtype):
    for *shape, r in ((7, 5, 1), (4, 6, 2), (6, 6, 3), (3, 2, 4, 5, 2), (2, 3, 2, 7, 1), (1, 1, 5, 4, 3), (5, 4, 9)):
        rows, O = int(np.prod(shape[:-1])), shape[-1]
        s = 4 * 0.6 ** np.arange(n := min(rows, O))  # far enough apart to tell which term comes first
        change = (_orthonormal(rng, rows, n) * s) @ _orthonormal(rng, O, n).T
        yield change.reshape(shape).astype(dtype), r


def _parts(change):
    return np.linalg.svd(change.reshape(-1, change.shape[-1]), full_matrices=False)


def mistake_last_terms(change, r):
    """You keep the smallest singular values: NumPy gives the largest first."""
    U, s, V = _parts(change)
    return ((U[:, -r:] * s[-r:]) @ V[-r:]).reshape(change.shape)


def mistake_no_values(change, r):
    """Each term u_k v_k is multiplied by its singular value s_k: without it all terms are equally long."""
    U, _, V = _parts(change)
    return (U[:, :r] @ V[:r]).reshape(change.shape)


def mistake_values_twice(change, r):
    """Each term is multiplied by s_k once: you do it on both sides."""
    U, s, V = _parts(change)
    return ((U[:, :r] * s[:r]) @ (s[:r, None] * V[:r])).reshape(change.shape)


def mistake_what_is_left(change, r):
    """That is what the first r terms leave: the change less what is wanted."""
    return change - closest_of_rank(change, r)


def mistake_one_less(change, r):
    """The first r terms are those of 0 to r - 1: you leave one out."""
    return closest_of_rank(change, r - 1)


def mistake_v_transposed(change, r):
    """numpy.linalg.svd returns the v_k as rows already: V[:r], not the first r columns turned over."""
    U, s, V = _parts(change)
    return (U[:, :r] * s[:r]) @ V[:, :r].T if change.ndim == 2 else closest_of_rank(change, r)


def mistake_each_place(change, r):
    """The convolution's window counts among the rows: one matrix (kh kw C, O), not one for each place of the window."""
    U, s, V = np.linalg.svd(change, full_matrices=False)
    return (U[..., :r] * s[..., None, :r]) @ V[..., :r, :]


def mistake_first_axis(change, r):
    """The columns are the O output channels; you make the first axis the rows and all others the columns."""
    U, s, V = np.linalg.svd(change.reshape(len(change), -1), full_matrices=False)
    return ((U[:, :r] * s[:r]) @ V[:r]).reshape(change.shape)


def right_projection(change, r):
    matrix = change.reshape(-1, change.shape[-1]).astype(float)
    _, Q = np.linalg.eigh(matrix.T @ matrix)
    Q = Q[:, ::-1][:, :r]
    return (matrix @ Q @ Q.T).reshape(change.shape)


def right_term_by_term(change, r):
    U, s, V = np.linalg.svd(change.reshape(-1, change.shape[-1]))
    total = np.zeros((len(U), len(V)))
    for k in range(min(r, len(s))):
        total += s[k] * np.outer(U[:, k], V[k])
    return total.reshape(change.shape)
