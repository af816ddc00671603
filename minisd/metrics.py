"""How good drawn pictures are: distances between two clouds of features, and a few plain numbers.

A feature is whatever a trained network says about a picture, one row each; `real` are the features of the data, `drawn`
those of the generated pictures. All numbers are computed in float64.

Differs: published FID values use the features of Inception-v3, trained on ImageNet. Ours come from a small classifier
of digits, so they compare runs of this project with each other and with nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_CHUNK = 1024  # rows of a distance matrix at a time: 1024 x 10,000 distances are 80 MB


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """The Frechet distance between two clouds, each seen as a Gaussian: FID (Heusel et al. 2017, eq. 6).

        d^2 = |mu_a - mu_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))

    With centred data A^T A = C_a and B^T B = C_b, the trace of the root is the sum of the singular values of A B^T: no
    square root of a matrix is taken, and covariances without full rank need no special care.

    Shapes: a (N, D), b (M, D) -> the squared distance, in squared units of the features.

    Raises:
        ValueError: wrong shapes, fewer than 2 rows, or NaN.

    >>> frechet_distance([[0.0], [2.0]], [[5.0], [7.0]])  # the same spread, the means 5 apart
    25.0
    """
    a, b = _features("frechet_distance", a, b, at_least=2)
    factor_a, factor_b = _covariance_factor(a), _covariance_factor(b)
    traces = (factor_a**2).sum() + (factor_b**2).sum()
    trace_of_root = np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum()
    mean_difference = a.mean(axis=0) - b.mean(axis=0)
    return max(0.0, float(mean_difference @ mean_difference + traces - 2 * trace_of_root))


def precision_and_recall(real: ArrayLike, drawn: ArrayLike, k: int = 3) -> tuple[float, float]:
    """How much of what is drawn looks real, and how much of what is real is drawn (Kynkaanniemi et al. 2019, eq. 1-2).

    A cloud fills the balls around its points that reach to each point's k-th nearest neighbour. Precision is the part
    of `drawn` that lies in the balls of `real`; recall is the part of `real` that lies in the balls of `drawn`.

    Shapes: real (N, D), drawn (M, D) -> two numbers in [0, 1].

    Raises:
        ValueError: wrong shapes, k or fewer rows, or NaN.

    >>> precision_and_recall([[0.0], [1.0], [5.0], [6.0]], [[0.1], [0.4], [0.6]], k=1)  # one half is never drawn
    (1.0, 0.25)
    """
    real, drawn = _features("precision_and_recall", real, drawn, at_least=k + 1)
    return _part_within(drawn, real, _radii(real, k)), _part_within(real, drawn, _radii(drawn, k))


def coverage(real: ArrayLike, drawn: ArrayLike, k: int = 5) -> float:
    """The part of `real` that has a drawn point in its ball of k neighbours (Naeem et al. 2020, section 3.2).

    Unlike recall it takes no balls around drawn points, where one stray point makes a ball that holds everything.

    Shapes: real (N, D), drawn (M, D) -> a number in [0, 1].

    Raises:
        ValueError: wrong shapes, k or fewer rows, or NaN.

    >>> coverage([[0.0], [1.0], [5.0], [6.0]], [[0.2], [40.0]], k=1)
    0.5
    """
    real, drawn = _features("coverage", real, drawn, at_least=1)
    radii = _radii(real, k)
    covered = sum(
        int((distances.min(axis=1) <= radii[rows]).sum()) for rows, distances in _squared_distances(real, drawn)
    )
    return covered / len(real)


def diversity_ratio(real: ArrayLike, drawn: ArrayLike, labels_real: ArrayLike, labels_drawn: ArrayLike) -> float:
    """The mean variance within a class of `drawn` by that of `real`: 1 is as varied, 0 draws one picture per class.

    Only the classes that were drawn count.

    Shapes: real (N, D), drawn (M, D), labels_real (N,), labels_drawn (M,).

    Raises:
        ValueError: wrong shapes, NaN, a class with fewer than 2 rows on either side, or real rows all alike.

    >>> diversity_ratio([[0.0], [2.0], [7.0], [9.0]], [[0.0], [1.0], [8.0], [9.0]], [3, 3, 4, 4], [3, 3, 4, 4])
    0.25
    """
    real, drawn = _features("diversity_ratio", real, drawn, at_least=2)
    labels_real, labels_drawn = np.asarray(labels_real), np.asarray(labels_drawn)
    variances: dict[str, list[float]] = {"real": [], "drawn": []}
    for label in np.unique(labels_drawn):
        for name, features, labels in (("real", real, labels_real), ("drawn", drawn, labels_drawn)):
            if labels.shape != (len(features),):
                raise ValueError(
                    f"diversity_ratio: {len(features)} rows of `{name}` need as many labels, got shape {labels.shape}"
                )
            members = features[labels == label]
            if len(members) < 2:
                raise ValueError(
                    f"diversity_ratio: class {label} has {len(members)} rows in `{name}`; a variance needs at least 2"
                )
            variances[name].append(float(members.var(axis=0, ddof=1).mean()))
    if not any(variances["real"]):
        raise ValueError("diversity_ratio: the rows of `real` do not vary within a class; nothing to compare with")
    return float(np.mean(variances["drawn"]) / np.mean(variances["real"]))


def retrieval_accuracy(similarity: ArrayLike) -> float:
    """R@1: how often a row's own partner, on the diagonal, is the most similar one.

    A tie counts as a fair draw among the tied, so a model that finds everything alike scores 1/N.

    Shapes: similarity (N, N), row i against column j -> a number in [0, 1]; transpose for the other direction.

    Raises:
        ValueError: not a square matrix, or NaN.

    >>> retrieval_accuracy([[0.9, 0.1], [0.8, 0.2]])
    0.5
    """
    similarity = np.asarray(similarity, np.float64)
    if similarity.ndim != 2 or not similarity.size or len(set(similarity.shape)) != 1 or np.isnan(similarity).any():
        raise ValueError(
            f"retrieval_accuracy: wanted (N, N) without NaN, got shape {similarity.shape}; check the model"
        )
    best = similarity == similarity.max(axis=1, keepdims=True)
    return float((best.diagonal() / best.sum(axis=1)).mean())


def psnr(a: ArrayLike, b: ArrayLike, peak: float) -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(peak^2 / mean((a - b)^2)); infinite for equal arrays.

    Args:
        peak: the width of the range of values: 2 for images in [-1, 1], 255 for bytes.

    Raises:
        ValueError: the shapes differ.

    >>> psnr([0.0, 0.0], [0.2, -0.2], peak=2)
    20.0
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"psnr: wanted two arrays of one shape, got {a.shape} and {b.shape}")
    error = float(np.mean((a - b) ** 2))
    return 10 * math.log10(peak**2 / error) if error else math.inf


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a proportion of which `hits` of `count` trials were seen (Wilson 1927).

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),  z = 1.96

    Raises:
        ValueError: hits are not within 0..count, or there are no trials.

    >>> [round(end, 3) for end in wilson_interval(95, 100)]
    [0.888, 0.978]
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"wilson_interval: wanted 0 <= hits <= count and count >= 1, got {hits} of {count}")
    z, p, n = 1.959963984540054, hits / count, count
    middle, half, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)), 1 + z * z / n
    # With no hits the lower end is exactly 0, with nothing but hits the upper one exactly 1: rounding may miss it.
    return (middle - half) / width if hits else 0.0, (middle + half) / width if hits < count else 1.0


def _features(what: str, a: ArrayLike, b: ArrayLike, at_least: int) -> tuple[Array, Array]:
    """Both clouds as float64, or an error that says what is wrong with them."""
    clouds: tuple[Any, Any] = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if clouds[0].ndim != 2 or clouds[1].ndim != 2 or clouds[0].shape[1] != clouds[1].shape[1]:
        raise ValueError(
            f"{what}: wanted features (N, D) and (M, D), one row a picture, got {clouds[0].shape} and {clouds[1].shape}"
        )
    for cloud in clouds:
        if len(cloud) < at_least:
            raise ValueError(f"{what}: got {len(cloud)} rows, wanted at least {at_least}; draw more pictures")
        if not np.isfinite(cloud).all():
            raise ValueError(
                f"{what}: the features hold NaN or infinite numbers; check the pictures and the classifier"
            )
    return clouds


def _covariance_factor(a: Array) -> Array:
    """R with R^T R = the covariance of `a`, with D rows at most: the R of a QR decomposition of the centred rows."""
    factor: Array = np.linalg.qr((a - a.mean(axis=0)) / math.sqrt(len(a) - 1)).R
    return factor


def _squared_distances(a: Array, b: Array) -> Iterator[tuple[slice, Array]]:
    """(rows, squared distances of these rows of `a` to all rows of `b`): |a - b|^2 = |a|^2 + |b|^2 - 2 a b."""
    centre = b.mean(axis=0)  # the difference of large numbers loses digits: make them small
    a, b = a - centre, b - centre
    squares_a, squares_b = (a * a).sum(axis=1), (b * b).sum(axis=1)
    for start in range(0, len(a), _CHUNK):
        rows = slice(start, start + _CHUNK)
        sums = squares_a[rows, None] + squares_b
        distances = sums - 2 * a[rows] @ b.T
        distances[distances < 1e-13 * sums] = 0  # rounding: equal points are at distance 0
        yield rows, distances


def _radii(points: Array, k: int) -> Array:
    """The squared distance of each point to its k-th nearest neighbour; a point is not its own neighbour."""
    if not 1 <= k < len(points):
        raise ValueError(f"k is {k}: wanted 1 <= k < {len(points)}, the number of rows")
    # The point itself, at distance 0, is the one of index 0.
    return np.concatenate([np.partition(d, k, axis=1)[:, k] for _, d in _squared_distances(points, points)])


def _part_within(points: Array, centres: Array, radii: Array) -> float:
    """The part of `points` that lies in at least one ball."""
    inside = sum(int((d <= radii).any(axis=1).sum()) for _, d in _squared_distances(points, centres))
    return inside / len(points)
