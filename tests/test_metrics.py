"""Metrics on clouds whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import defaults

from minisd import metrics
from minisd.metrics import (
    coverage,
    diversity_ratio,
    frechet_distance,
    precision_and_recall,
    psnr,
    retrieval_accuracy,
    wilson_interval,
)


def cloud(
    rng: np.random.Generator, N: int, mean: NDArray[np.float64], root: NDArray[np.float64]
) -> NDArray[np.float64]:
    """N rows whose sample mean is `mean` and whose sample covariance is root^T root, both exactly."""
    white = rng.standard_normal((N, len(mean)))
    white -= white.mean(axis=0)
    white = np.linalg.qr(white).Q * math.sqrt(N - 1)
    return white @ root + mean


def test_frechet_of_diagonal_gaussians() -> None:
    """Commuting covariances: d^2 = |mu_a - mu_b|^2 + sum (s_a - s_b)^2."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((4, 4))).Q
    spread_a, spread_b = np.array([1.0, 2.0, 0.5, 3.0]), np.array([4.0, 1.0, 0.5, 0.0])
    mean_a, mean_b = np.array([1.0, 0, 0, 0]), np.array([0, 0, 2.0, 100.0])
    a = cloud(rng, 50, mean_a, np.diag(spread_a) @ rotation)
    b = cloud(rng, 70, mean_b, np.diag(spread_b) @ rotation)
    expected = ((mean_a - mean_b) ** 2).sum() + ((spread_a - spread_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-12)


def test_frechet_of_gaussians_that_do_not_commute() -> None:
    """For 2 x 2, tr C^(1/2) = sqrt(tr C + 2 sqrt(det C)) with C = C_a C_b."""
    rng = np.random.default_rng(1)
    root_a, root_b = np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([[1.0, -1.0], [0.5, 3.0]])
    cov_a, cov_b = root_a.T @ root_a, root_b.T @ root_b
    product = cov_a @ cov_b
    trace_of_root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    expected = np.trace(cov_a) + np.trace(cov_b) - 2 * trace_of_root
    distance = frechet_distance(cloud(rng, 20, np.zeros(2), root_a), cloud(rng, 30, np.zeros(2), root_b))
    assert distance == pytest.approx(expected, rel=1e-12)


@given(seed=st.integers(0, 99), N=st.integers(2, 6), D=st.integers(1, 12))
def test_frechet_of_a_cloud_with_itself_shifted(seed: int, N: int, D: int) -> None:
    """Also with fewer rows than columns, where the covariance has no full rank."""
    a = np.random.default_rng(seed).standard_normal((N, D))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(a, a + 3) == pytest.approx(9 * D, rel=1e-12)
    assert frechet_distance(a, np.zeros((2, D))) == pytest.approx(
        (a.mean(axis=0) ** 2).sum() + a.var(axis=0, ddof=1).sum(), rel=1e-12
    )


def test_identical_sets_are_perfect() -> None:
    real = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32) + 1000
    real[5] = real[6]  # with a repeated row
    assert precision_and_recall(real, real) == (1, 1)
    assert precision_and_recall(real, real[::-1], k=1) == (1, 1)
    assert coverage(real, real) == 1


def test_mode_collapse_is_precise_and_recalls_little() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((300, 4))
    collapsed = real[:1] + 0.01 * rng.standard_normal((300, 4))
    precision, recall = precision_and_recall(real, collapsed)
    assert precision == 1 and recall <= 1 / 300
    assert coverage(real, collapsed) < 0.1
    assert precision_and_recall(real, np.repeat(real[:1], 300, axis=0)) == (1, 1 / 300)


def test_noise_is_not_precise() -> None:
    rng = np.random.default_rng(0)
    real, far = rng.standard_normal((100, 4)), rng.standard_normal((100, 4)) + 100
    assert precision_and_recall(real, far) == (0, 0) and coverage(real, far) == 0


def test_an_outlier_fools_recall_but_not_coverage() -> None:
    real = np.arange(10.0)[:, None]
    drawn = np.array([[0.0], [0.1], [1e6]])
    assert precision_and_recall(real, drawn, k=1) == pytest.approx((2 / 3, 1))
    assert coverage(real, drawn, k=1) == pytest.approx(2 / 10)


@given(seed=st.integers(0, 99), N=st.integers(4, 30), M=st.integers(4, 30), k=st.integers(1, 3))
def test_neighbours_against_plain_loops(seed: int, N: int, M: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    real, drawn = rng.standard_normal((N, 2)), rng.standard_normal((M, 2)) + 0.5

    def radius(points: NDArray[np.float64], i: int) -> float:
        return sorted(math.dist(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]

    def within(point: NDArray[np.float64], centres: NDArray[np.float64]) -> bool:
        return any(math.dist(point, centres[i]) <= radius(centres, i) for i in range(len(centres)))

    precision, recall = precision_and_recall(real, drawn, k)
    assert precision == pytest.approx(sum(within(point, real) for point in drawn) / M)
    assert recall == pytest.approx(sum(within(point, drawn) for point in real) / N)
    covered = sum(any(math.dist(real[i], point) <= radius(real, i) for point in drawn) for i in range(N))
    assert coverage(real, drawn, k) == pytest.approx(covered / N)


def test_chunks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    real, drawn = rng.standard_normal((50, 3)), rng.standard_normal((41, 3)) + 0.5
    whole = precision_and_recall(real, drawn), coverage(real, drawn)
    monkeypatch.setattr(metrics, "_CHUNK", 7)
    assert (precision_and_recall(real, drawn), coverage(real, drawn)) == whole


def test_diversity_ratio() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    centres = 100 * labels[:, None]  # the distance between classes does not count
    real = rng.standard_normal((60, 5)) + centres
    assert diversity_ratio(real, real, labels, labels) == 1
    halved = 0.5 * (real - centres) + 7 * centres
    assert diversity_ratio(real, halved, labels, labels) == pytest.approx(0.25)
    assert diversity_ratio(real, centres + np.ones(5), labels, labels) == 0
    only = labels == 2
    assert diversity_ratio(real, halved[only], labels, labels[only]) == pytest.approx(0.25)


def test_diversity_ratio_teaches() -> None:
    real, labels = np.random.default_rng(0).standard_normal((6, 2)), np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(ValueError, match="class 2 has 0 rows in `real`"):
        diversity_ratio(real, real, labels, [2] * 6)
    with pytest.raises(ValueError, match="6 rows of `drawn` need as many labels"):
        diversity_ratio(real, real, labels, labels[:5])
    with pytest.raises(ValueError, match="do not vary"):
        diversity_ratio(np.ones((6, 2)), real, labels, labels)


def test_retrieval_accuracy() -> None:
    assert retrieval_accuracy(np.eye(5)) == 1
    assert retrieval_accuracy(np.roll(np.eye(5), 1, axis=1)) == 0
    assert retrieval_accuracy(np.zeros((8, 8))) == 1 / 8  # all alike: chance
    assert retrieval_accuracy(-1e9 - np.ones((1, 1))) == 1
    for bad in (np.zeros((2, 3)), np.zeros((0, 0)), np.full((2, 2), np.nan), np.zeros(4)):
        with pytest.raises(ValueError, match=r"wanted \(N, N\)"):
            retrieval_accuracy(bad)


def test_psnr() -> None:
    a = np.zeros((2, 3), np.uint8)
    assert psnr(a, a, 255) == math.inf
    assert psnr(a, a + 255, 255) == 0  # bytes do not wrap around
    assert psnr(a + 255, a, 255) == 0
    assert psnr(a, a + 1, 255) == pytest.approx(48.1308, abs=1e-4)
    with pytest.raises(ValueError, match="one shape"):
        psnr(a, a[:1], 255)


def test_wilson_interval() -> None:
    z2 = 1.959963984540054**2
    assert wilson_interval(0, 10) == pytest.approx((0, z2 / (10 + z2)), abs=0)
    assert wilson_interval(10, 10) == pytest.approx((10 / (10 + z2), 1))
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    for hits, count in ((1, 0), (0, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="wilson_interval"):
            wilson_interval(hits, count)


@given(count=st.integers(1, 10_000), part=st.floats(0, 1))
def test_the_ends_of_wilsons_interval_solve_its_equation(count: int, part: float) -> None:
    """Seen from an end q, the proportion p is z standard deviations away: (p - q)^2 n = z^2 q (1 - q)."""
    p = round(part * count) / count
    low, high = wilson_interval(round(part * count), count)
    assert 0 <= low <= p <= high <= 1
    for q in (low, high):
        assert (p - q) ** 2 * count == pytest.approx(1.959963984540054**2 * q * (1 - q), abs=1e-9)


def test_errors_teach() -> None:
    good = np.zeros((5, 2))
    with pytest.raises(ValueError, match=r"frechet_distance: got 1 rows, wanted at least 2"):
        frechet_distance(good, good[:1])
    with pytest.raises(ValueError, match="NaN or infinite"):
        frechet_distance(good, good + np.nan)
    with pytest.raises(ValueError, match=r"wanted features .* got \(5, 2\) and \(5, 3\)"):
        coverage(good, np.zeros((5, 3)))
    with pytest.raises(ValueError, match="wanted features"):
        frechet_distance(np.zeros(5), good)
    with pytest.raises(ValueError, match="got 3 rows, wanted at least 4"):
        precision_and_recall(good, good[:3])
    for k in (0, 5):
        with pytest.raises(ValueError, match=f"k is {k}"):
            coverage(good, good, k=k)


def test_how_many_neighbours_count_unless_told_otherwise() -> None:
    """Three, as Kynkaanniemi et al. 2019 have it, and five, as Naeem et al. 2020."""
    assert defaults(precision_and_recall) == {"k": 3} and defaults(coverage) == {"k": 5}
