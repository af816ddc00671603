"""Are these transforms right?

Winograd's method makes m outputs of a filter of r numbers from n = m + r - 1 numbers of data:

$$y = A^T\\,[(G g) * (B^T d)]$$

Someone hands you three matrices. Are they right for every g and every d? Trying a few says yes too easily. But the
expression is linear in g and in d, so it is right for all when it is right for all pairs of unit vectors. Written out,

$$y_p = \\sum_{j,k} T_{pjk}\\, g_j\\, d_k, \\qquad T_{pjk} = \\sum_i A^T_{pi}\\, G_{ij}\\, B^T_{ik}$$

and the filter wants $y_p = \\sum_j g_j d_{p+j}$. Return the largest absolute difference between T and what it should
be.
"""

import numpy as np

POINTS, MINUTES = 2, 25
HINTS = (
    "What should T[p, j, k] be so that y[p] is the sum of g[j] d[p + j]?",
    "1 where k = p + j, 0 everywhere else. T itself is one np.einsum of three matrices that share i.",
    'np.einsum("pi,ij,ik->pjk", A_T, G, B_T); then subtract the array of ones and zeros, and take abs(...).max().',
)


def deviation(A_T, G, B_T):
    """The largest |T - wanted|, a number; A_T is (m, n), G (n, r), B_T (n, n)."""
    (m, n), r = A_T.shape, G.shape[1]
    T = np.einsum("pi,ij,ik->pjk", A_T, G, B_T)
    p, j, k = np.ogrid[:m, :r, :n]
    return float(np.abs(T - (k == p + j)).max())


def cases(rng, dtype):
    A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], dtype)
    G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype)
    B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], dtype)
    yield A_T, G + dtype(0.25), B_T
    yield A_T, G, B_T + np.eye(4, dtype=dtype)
    yield -A_T, G, B_T
    for m, r in [(2, 3), (3, 2), (4, 3), (1, 2)]:
        shapes = (m, m + r - 1), (m + r - 1, r), (m + r - 1, m + r - 1)
        yield tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)


def mistake_turned_filter(A_T, G, B_T):
    """The filter is not turned round here: y[p] is the sum of g[j] d[p + j], so k = p + j, not p + r - 1 - j."""
    return deviation(A_T, G[:, ::-1], B_T)


def mistake_ones_everywhere(A_T, G, B_T):
    """T is 1 where k = p + j and 0 everywhere else: the zeros are to be checked, too."""
    (m, n), r = A_T.shape, G.shape[1]
    T = np.einsum("pi,ij,ik->pjk", A_T, G, B_T)
    p, j, k = np.ogrid[:m, :r, :n]
    return float(np.abs(T - 1)[k == p + j].max())


def mistake_zeros_only(A_T, G, B_T):
    """Where k = p + j, T should be 1: you hold every number of T against 0."""
    return float(np.abs(np.einsum("pi,ij,ik->pjk", A_T, G, B_T)).max())


def mistake_no_absolute(A_T, G, B_T):
    """A difference below zero is as bad as one above: take the absolute value before the maximum."""
    (m, n), r = A_T.shape, G.shape[1]
    p, j, k = np.ogrid[:m, :r, :n]
    return float((np.einsum("pi,ij,ik->pjk", A_T, G, B_T) - (k == p + j)).max())


def mistake_one_try(A_T, G, B_T):
    """One g and one d of ones prove nothing: errors can cancel in the sum. Take all pairs of unit vectors."""
    (_, n), r = A_T.shape, G.shape[1]
    return float(np.abs(A_T @ ((G @ np.ones(r)) * (B_T @ np.ones(n))) - r).max())


def mistake_transposed_data(A_T, G, B_T):
    """B^T is taken as it is given: you have transposed it once more."""
    return deviation(A_T, G, B_T.T)


def mistake_mean(A_T, G, B_T):
    """The largest difference is asked for, not the mean one."""
    (m, n), r = A_T.shape, G.shape[1]
    p, j, k = np.ogrid[:m, :r, :n]
    return float(np.abs(np.einsum("pi,ij,ik->pjk", A_T, G, B_T) - (k == p + j)).mean())


def right_unit_vectors(A_T, G, B_T):
    (m, n), r = A_T.shape, G.shape[1]
    worst = 0.0
    for j in range(r):
        for k in range(n):
            g, d = np.eye(r)[j], np.eye(n)[k]
            wanted = [sum(g[t] * d[p + t] for t in range(r)) for p in range(m)]
            worst = max(worst, np.abs(A_T @ ((G @ g) * (B_T @ d)) - wanted).max())
    return worst


def right_matrices_shifted(A_T, G, B_T):
    m, n = A_T.shape
    r = G.shape[1]
    differences = []
    for p in range(m):
        made = G.T @ np.diag(A_T[p]) @ B_T
        differences.append(np.max(np.abs(made - np.eye(r, n, p))))
    return max(differences)
