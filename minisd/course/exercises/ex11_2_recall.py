"""How much of what is real gets drawn

Around every drawn point lies a ball that reaches to its k-th nearest neighbour among the drawn points. Recall is the
share of the real points that lie in at least one of these balls, its border included (Kynkäänniemi et al., 2019). Write
it for real of shape (N, D) and drawn of shape (M, D).
"""

import numpy as np

from minisd.metrics import precision_and_recall

POINTS, MINUTES = 4, 35
HINTS = (
    "First the radii: a distance table of drawn to drawn, (M, M), sorted along one axis.",
    "Each point stands in its own row, at distance 0: it is not its own neighbour. So which column is the k-th?",
    "radius = np.sort(table, axis=1)[:, k]; then a table of real to drawn, (N, M), compared with radius, any, mean.",
)


def recall(real, drawn, k=3):
    """A number from 0 to 1."""
    return precision_and_recall(real, drawn, k)[1]


def cases(rng, dtype):
    for N, M, D, k in ((60, 40, 2, 3), (50, 90, 3, 1), (80, 30, 1, 2), (70, 50, 4, 5), (100, 80, 2, 2), (90, 60, 3, 4)):
        drawn = rng.standard_normal((M, D)) * rng.uniform(0.4, 1.2, (M, 1))
        yield (rng.standard_normal((N, D)) + 0.5).astype(dtype), drawn.astype(dtype), k
    yield (1000 + rng.standard_normal((50, 2))).astype(dtype), (1000 + 0.5 * rng.standard_normal((30, 2))).astype(dtype)
    yield np.array([[0.0], [2.0], [5.0]], dtype), np.array([[1.0], [3.0]], dtype), 1


def _table(a, b):
    return np.sqrt(((a[:, None] - b) ** 2).sum(axis=-1))


def mistake_precision(real, drawn, k=3):
    """That is precision, the share of the drawn points within the real ones' balls; the two are exchanged."""
    return precision_and_recall(real, drawn, k)[0]


def mistake_own_neighbour(real, drawn, k=3):
    """A point is not its own neighbour: the k-th one is the next further."""
    radius = np.sort(_table(drawn, drawn), axis=1)[:, k - 1]
    return (_table(real, drawn) <= radius).any(axis=1).mean()


def mistake_border(real, drawn, k=3):
    """A point on the border of a ball lies in it."""
    radius = np.sort(_table(drawn, drawn), axis=1)[:, k]
    return (_table(real, drawn) < radius * (1 - 1e-9)).any(axis=1).mean()


def mistake_coverage(real, drawn, k=3):
    """The balls lie around the drawn points, and you take them around the real ones: that is coverage."""
    radius = np.sort(_table(real, real), axis=1)[:, min(k, len(real) - 1)]
    return (_table(real, drawn) <= radius[:, None]).any(axis=1).mean()


def mistake_one_radius(real, drawn, k=3):
    """Every ball has a radius of its own, small where the points lie close."""
    radius = np.sort(_table(drawn, drawn), axis=1)[:, k].mean()
    return (_table(real, drawn) <= radius).any(axis=1).mean()


def mistake_all_pairs(real, drawn, k=3):
    """A real point counts once, if it lies in any ball: yours counts in how many."""
    radius = np.sort(_table(drawn, drawn), axis=1)[:, k]
    return (_table(real, drawn) <= radius).mean()


def mistake_absolute_differences(real, drawn, k=3):
    """The distance is the root of the sum of squares, not the sum of the absolute differences."""
    radius = np.sort(np.abs(drawn[:, None] - drawn).sum(axis=-1), axis=1)[:, k]
    return (np.abs(real[:, None] - drawn).sum(axis=-1) <= radius).any(axis=1).mean()


def mistake_share_of_drawn(real, drawn, k=3):
    """The share is that of the real points: you divide by the number of the drawn ones."""
    radius = np.sort(_table(drawn, drawn), axis=1)[:, k]
    return (_table(real, drawn) <= radius).any(axis=1).sum() / len(drawn)


def right_loops(real, drawn, k=3):
    inside = 0
    radii = []
    for i, point in enumerate(drawn):
        others = [np.linalg.norm(point - other) for j, other in enumerate(drawn) if j != i]
        radii.append(sorted(others)[k - 1])
    for point in real:
        inside += any(np.linalg.norm(point - d) <= r for d, r in zip(drawn, radii, strict=True))
    return inside / len(real)


def right_squared(x, y, k=3):
    own = ((y[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)
    np.fill_diagonal(own, np.inf)
    reach = np.partition(own, k - 1, axis=1)[:, k - 1]
    across = ((y[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)
    return np.count_nonzero((across <= reach[:, None]).sum(axis=0)) / len(x)
