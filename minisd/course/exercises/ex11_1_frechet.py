"""The Fréchet distance

Two clouds of points are each taken for a Gaussian, with the cloud's mean and its covariance (with N - 1 below the
line). Their squared Fréchet distance is

$$d^2 = |\\mu_a - \\mu_b|^2 + \\text{tr}\\left(C_a + C_b - 2\\, (C_a C_b)^{1/2}\\right)$$

The root is that of a matrix: $R R = C_a C_b$, not the root of each number. Its trace is the sum of the square roots of
the eigenvalues of $C_a C_b$, which are real and not negative; rounding may say otherwise by a hair. Write it for a of
shape (N, D) and b of shape (M, D).
"""

import numpy as np

from minisd.metrics import frechet_distance as library

POINTS, MINUTES = 5, 45
HINTS = (
    "np.cov(a, rowvar=False) has N - 1 below the line; with one column it gives a number: np.atleast_2d.",
    "The eigenvalues of C_a C_b: np.linalg.eigvals. They may come out complex, or -1e-17: take the real part, 0 for "
    "what lies below.",
    "The sum of the squares of the difference of means, plus both traces, minus twice the sum of the roots.",
)


def frechet_distance(a, b):
    """The squared distance, a number."""
    return library(a, b)


def cases(rng, dtype):
    for N, M, D in ((20, 30, 3), (12, 9, 1), (50, 40, 6), (8, 15, 2), (60, 60, 4), (4, 5, 7)):
        spread_a, spread_b = (rng.standard_normal((D, D)) for _ in range(2))
        a = rng.standard_normal((N, D)) @ spread_a + rng.standard_normal(D)
        yield a.astype(dtype), (rng.standard_normal((M, D)) @ spread_b).astype(dtype)


def _moments(points, ddof=1):
    return points.mean(axis=0), np.atleast_2d(np.cov(points, rowvar=False, ddof=ddof))


def _roots(matrix):
    return np.sqrt(np.maximum(np.linalg.eigvals(matrix).real, 0))


def mistake_all_counted(a, b):
    """The covariance has N - 1 below the line, since the mean is the cloud's own."""
    (mean_a, C_a), (mean_b, C_b) = _moments(a, 0), _moments(b, 0)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(C_a + C_b) - 2 * _roots(C_a @ C_b).sum()


def mistake_root_of_each_number(a, b):
    """The root is that of a matrix, not of each of its numbers."""
    (mean_a, C_a), (mean_b, C_b) = _moments(a), _moments(b)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(C_a + C_b - 2 * np.sqrt(np.abs(C_a @ C_b)))


def mistake_roots_apart(a, b):
    """The root of a product of matrices is not the product of their roots: they do not commute."""
    (mean_a, C_a), (mean_b, C_b) = _moments(a), _moments(b)
    roots = []
    for C in (C_a, C_b):
        values, vectors = np.linalg.eigh(C)
        roots.append(vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(C_a + C_b - 2 * roots[0] @ roots[1])


def mistake_no_2(a, b):
    """Twice the root is taken away: of two equal clouds nothing is left."""
    (mean_a, C_a), (mean_b, C_b) = _moments(a), _moments(b)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(C_a + C_b) - _roots(C_a @ C_b).sum()


def mistake_means_not_squared(a, b):
    """The distance of the means is squared, as everything else in d^2."""
    (mean_a, C_a), (mean_b, C_b) = _moments(a), _moments(b)
    return np.linalg.norm(mean_a - mean_b) + np.trace(C_a + C_b) - 2 * _roots(C_a @ C_b).sum()


def mistake_product_without_root(a, b):
    """The square root of the product is missing."""
    (mean_a, C_a), (mean_b, C_b) = _moments(a), _moments(b)
    return ((mean_a - mean_b) ** 2).sum() + np.trace(C_a + C_b - 2 * C_a @ C_b)


def mistake_variances_alone(a, b):
    """The coordinates hang together: the covariances are matrices, and you take their diagonals alone."""
    return ((a.mean(0) - b.mean(0)) ** 2 + (a.std(0, ddof=1) - b.std(0, ddof=1)) ** 2).sum()


def mistake_root_of_all(a, b):
    """The squared distance is asked for."""
    return np.sqrt(frechet_distance(a, b))


def right_eigenvalues(a, b):
    off = a.mean(axis=0) - b.mean(axis=0)
    C_a, C_b = ((x - x.mean(0)).T @ (x - x.mean(0)) / (len(x) - 1) for x in (a, b))
    values = np.linalg.eigvals(C_a.astype(np.float64) @ C_b.astype(np.float64))
    return off @ off + np.trace(C_a) + np.trace(C_b) - 2 * np.sqrt(values.astype(complex)).real.sum()


def right_symmetric_root(first, second):
    first, second = first.astype(np.float64), second.astype(np.float64)
    C, E = (np.cov(x.T).reshape(x.shape[1], -1) for x in (first, second))
    values, vectors = np.linalg.eigh(C)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ E @ root)
    return (
        ((first.mean(0) - second.mean(0)) ** 2).sum()
        + (np.diag(C) + np.diag(E)).sum()
        - 2 * np.sqrt(inner.clip(0)).sum()
    )
