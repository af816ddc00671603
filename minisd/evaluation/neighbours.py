"""Whether drawings are copies: the training pictures nearest to each, and how near such are to digits never seen.

    d(a, b) = sqrt(mean((a - b)^2))          over the pixels, in grey levels of 0..255

Plain pixels, for a copy is one of pixels: the judge's features forget what makes two hands' sevens differ, so that
they find near what is no copy. Nor are pictures shifted first, since MNIST's digits are all centred by their mass, and
so are drawings of what learned from them.

No distance tells by itself: a one is near to some other one, whoever wrote it. So test digits, of the same labels and
attributes, are measured beside: a model that copies draws nearer to its training set than they lie. They are measured
once more as the VAE gives them back: a drawing has come out of it, too, and it smooths, which brings pictures nearer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minisd.autograd import Array
from minisd.evaluation.digits import Drawings
from minisd.pipeline import Pipeline

K = 5  # neighbours that are shown
COPY = 1 / 3  # of the way to the second nearest (Yoon et al. 2023, "fail to memorize")
LOW = 0.01  # the quantile that is told
_BYTES = 32e6  # of distances at a time


@dataclass
class Distances:
    """How near some pictures lie to the training set.

    Attributes:
        median, low, least: of the distances to the nearest training picture: median, 1% quantile, and the least.
        copies: the part that lies less than a third as far from its nearest as from its second nearest.
    """

    pictures: str
    count: int
    median: float
    low: float
    least: float
    copies: float

    @classmethod
    def of(cls, pictures: str, distances: Array) -> Distances:
        """Of the distances (N, 2 or more) to each picture's nearest ones, rising."""
        first, second = distances[:, 0], distances[:, 1]
        low, median = np.quantile(first, (LOW, 0.5))
        copies = float((first < COPY * second).mean())
        return cls(pictures, len(first), float(median), float(low), float(first.min()), copies)


@dataclass
class Shown:
    """A drawing, and its nearest training pictures: their places in the training set and their distances."""

    drawing: int
    prompt: str
    nearest: list[int]
    distances: list[float]


@dataclass
class Neighbours:
    """What ``minisd eval --neighbours`` measures.

    Attributes:
        drawings, test, through_vae: of drawings, of test digits, and of these as the VAE gives them back.
        nearer: the part of the drawings that lie nearer than the 1% quantile of the test digits; of pictures that know
            the training set no better than those do, 1%.
        shown: of each digit the drawing that is nearest to a training picture.
    """

    drawings: Distances
    test: Distances
    through_vae: Distances
    nearer: float
    shown: list[Shown]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def nearest(
    images: Array, others: Array, k: int = K, watch: Callable[[int], object] = lambda count: None
) -> tuple[Array, Array]:
    """The k pictures of `others` nearest to each picture: distances (N, k), rising, and their places (N, k).

        |a - b|^2 = |a|^2 + |b|^2 - 2 a b

    Bytes are whole numbers, whose sums float64 holds exactly: equal pictures are at distance 0. Of pictures that are
    equally near any may be told.

    Shapes: images (N, H, W), others (M, H, W), both uint8.

    Args:
        watch: called with how many of `others` were looked at, now and then.

    Raises:
        ValueError: pictures of two sizes, or fewer than k others.

    >>> grey = np.array([10, 70, 20], np.uint8).reshape(3, 1, 1)
    >>> nearest(grey[:1], grey[1:], k=2)
    (array([[10., 60.]]), array([[1, 0]]))
    """
    if images.shape[1:] != others.shape[1:] or not 1 <= k <= len(others):
        raise ValueError(
            f"nearest: wanted pictures of one size, and {k} others or more, got {images.shape} and {others.shape}"
        )
    a = images.reshape(len(images), -1).astype(np.float64)
    squares = (a * a).sum(axis=1)
    best, places = np.full((len(a), k), np.inf), np.zeros((len(a), k), np.int64)
    block = max(1, int(_BYTES / 8 / len(a)))
    for start in range(0, len(others), block):
        b = others[start : start + block].reshape(-1, a.shape[1]).astype(np.float64)
        distances = squares[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
        order = np.argpartition(distances, min(k, len(b)) - 1, axis=1)[:, :k]
        # The k nearest of these, and the k nearest so far.
        distances = np.concatenate([best, np.take_along_axis(distances, order, 1)], axis=1)
        found = np.concatenate([places, start + order], axis=1)
        order = np.lexsort((found, distances), axis=1)[:, :k]
        best, places = np.take_along_axis(distances, order, 1), np.take_along_axis(found, order, 1)
        watch(len(b))
    return np.sqrt(best / a.shape[1]), places


def look_for_copies(
    pipeline: Pipeline,
    compared: Drawings,
    train: Array,
    say: Callable[[str], None] = print,
    watch: Callable[[int], object] = lambda count: None,
    **drawing: Any,
) -> tuple[Neighbours, Array]:
    """Draw what the test digits are, and look for it among the training pictures; returns the drawings, too.

    Args:
        train: the training pictures (M, 28, 28).
        watch: called with how many of them were looked at; three times all of them.
        drawing: options of ``Pipeline.draw``, such as guidance, steps and sampler.
    """
    prompts = compared.prompts(detailed=True)
    say(f"drawing {len(prompts)} digits")
    images = pipeline.draw(prompts, seed=compared.seed, **drawing)
    unseen = compared.test.images[compared.chosen]
    again = np.concatenate([pipeline.decode(pipeline.encode(part)) for part in np.array_split(unseen, 10)])
    say(f"comparing them with {len(train):,} training pictures")
    distances, places = nearest(images, train, watch=watch)
    of_test, of_vae = (nearest(part, train, watch=watch)[0] for part in (unseen, again))
    test = Distances.of("test digits", of_test)
    return (
        Neighbours(
            Distances.of("drawings", distances),
            test,
            Distances.of("test digits, through the VAE", of_vae),
            nearer=float((distances[:, 0] < test.low).mean()),
            shown=[
                Shown(i, prompts[i], places[i].tolist(), distances[i].tolist())
                for i in _nearest_of_each(distances[:, 0], compared.labels)
            ],
        ),
        images,
    )


def _nearest_of_each(distances: Array, labels: Array) -> list[int]:
    """Of each label the place of the least distance."""
    found = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return [int(members[distances[members].argmin()]) for members in found]


def sheet(report: Neighbours, drawn: Array, train: Array) -> tuple[Array, list[str]]:
    """The pictures shown, a drawing and its neighbours a row, (R (1 + k), 28, 28), and their distances."""
    images: list[Array] = []
    captions: list[str] = []
    for row in report.shown:
        images += [drawn[row.drawing], *train[row.nearest]]
        captions += ["", *(f"{distance:.0f}" for distance in row.distances)]
    return np.stack(images), captions


def lines(report: Neighbours) -> list[str]:
    """The report in lines of at most 80 letters."""
    rows = [report.drawings, report.test, report.through_vae]
    return [
        f"{'Distance to the nearest training picture':<42}median{'1%':>8}{'least':>8}{'copies':>9}",
        *(
            f"{f'  {row.pictures}-{row.count}':<42}{row.median:>6.1f}{row.low:>8.1f}{row.least:>8.1f}{row.copies:>9.1%}"
            for row in rows
        ),
        f"{'Drawings nearer than 1% of the test digits':<48}{report.nearer:.1%}",
        "",
        "Distances are root mean squares over the pixels, in grey levels of 0..255.",
        "A copy is less than a third as far from its nearest as from its second nearest.",
    ]
