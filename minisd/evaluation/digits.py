"""How good a model is, in numbers: its drawings against real digits, its VAE and its text encoder for themselves.

The judge is a digit classifier that minisd trained on real digits and that never sees a drawing. A high accuracy alone
says little: blurred digits, or the same ten digits over and over, score well. So its features are compared as well:
how far the drawings' distribution lies from the real one (Fréchet distance, beside that of real digits from other real
digits), and how much of the real variety they cover (recall).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from minisd_kernels.devices import to_host

from minisd import metrics
from minisd.autograd import Array, Tensor, no_grad
from minisd.data.digits import DigitSet
from minisd.data.morphology import SLANT_BINS, THICKNESS_BINS, bins, slant, thickness
from minisd.evaluation.judge import Judge
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline
from minisd.text.captions import Caption, caption_text

KINDS = {True: "digit, thickness and slant", False: "digit alone"}  # of prompts: whether they are detailed


@dataclass
class DrawingReport:
    """How the drawings of one kind of prompt compare with real test digits of the same labels and attributes.

    Attributes:
        thickness_as_asked: the part of the drawings that is as thick as the prompt says; None if it does not say.
        thickness_by_chance: the same of real digits that are right and were asked for nothing else.
    """

    prompts: str
    count: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    accuracy_by_digit: list[float]
    thickness_as_asked: float | None
    slant_as_asked: float | None
    frechet: float
    frechet_floor: float
    precision: float
    recall: float
    diversity: float
    thickness_by_chance: float | None
    slant_by_chance: float | None


@dataclass
class Report:
    """Everything `minisd eval` measures; the numbers' names are explained where they are made."""

    judge_accuracy: float
    drawings: list[DrawingReport]
    vae_psnr: float
    vae_accuracy: float
    clip_zero_shot: float
    clip_thickness: float
    clip_slant: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Floor:
    """The same numbers of real digits of the training set: what drawings that were real would have."""

    accuracy: float
    frechet: float
    precision: float
    recall: float
    diversity: float


@dataclass
class GuidanceCurve:
    """How drawings change with the guidance: more makes them obey better and vary less.

    Attributes:
        drawings: of every guidance, as a Report has them.
    """

    real: Floor
    guidance: list[float]
    drawings: list[list[DrawingReport]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    pipeline: Pipeline,
    judge: Judge,
    train: DigitSet,
    test: DigitSet,
    *,
    count: int = 1000,
    seed: int = 0,
    say: Callable[[str], None] = print,
    **drawing: Any,
) -> Report:
    """Measure a model: `count` drawings told the digit and its attributes, and `count` told the digit alone.

    Model and judge compute where they live.

    Args:
        drawing: options of ``Pipeline.draw``, such as guidance, steps and sampler.

    Raises:
        ValueError: as check_count.
    """
    drawings = Drawings(judge, train, test, count, seed).of(pipeline, say, **drawing)
    say("reconstructing and matching the test set")
    psnr, vae_accuracy = _vae_quality(pipeline, judge, test)
    return Report(
        judge_accuracy=float((judge.digits(test.images) == test.labels).mean()),
        drawings=drawings,
        vae_psnr=psnr,
        vae_accuracy=vae_accuracy,
        **_clip_quality(pipeline, test),
    )


def guidance_curve(
    pipeline: Pipeline,
    judge: Judge,
    train: DigitSet,
    test: DigitSet,
    guidance: Sequence[float],
    *,
    count: int = 1000,
    seed: int = 0,
    say: Callable[[str], None] = print,
    **drawing: Any,
) -> GuidanceCurve:
    """Measure a model's drawings at several guidances, all from the same noise, as ``evaluate`` does at one.

    Raises:
        ValueError: as check_count.
    """
    compared = Drawings(judge, train, test, count, seed)
    drawings = []
    for one in guidance:
        say(f"guidance {one:g}")
        drawings.append(compared.of(pipeline, say, guidance=one, **drawing))
    return GuidanceCurve(compared.real, list(guidance), drawings)


def check_count(count: int, train: DigitSet, test: DigitSet) -> None:
    """Can `count` drawings, as many of each digit, be compared with as many real digits of both sets?

    Raises:
        ValueError: not a multiple of 10, too few to compare distributions, or more than there are real digits.
    """
    most = 10 * min(int(np.bincount(digits.labels, minlength=10).min()) for digits in (train, test))
    if count % 10 or not 100 <= count <= most:
        raise ValueError(
            f"wanted a multiple of 10 from 100 to {most} drawings (ten times the rarest digit), got {count}"
        )


def _balanced(digits: DigitSet, count: int, rng: np.random.Generator) -> Array:
    """Indices of `count` samples, as many of each digit; the labels go round 0..9."""
    columns = [rng.choice(np.flatnonzero(digits.labels == d), count // 10, replace=False) for d in range(10)]
    return np.stack(columns, axis=1).reshape(-1)


class Drawings:
    """What drawings are compared with: `count` digits of the test set, as many of each; and how other real ones fare.

    Attributes:
        real: as many digits of the training set, compared with those of the test set.
    """

    def __init__(self, judge: Judge, train: DigitSet, test: DigitSet, count: int, seed: int) -> None:
        check_count(count, train, test)
        rng = np.random.default_rng([seed, count])
        self.judge, self.test, self.seed = judge, test, seed
        self.chosen = _balanced(test, count, rng)
        self.labels = test.labels[self.chosen]
        self.features = judge.features(test.images[self.chosen])
        others = train.images[_balanced(train, count, rng)]
        features = judge.features(others)
        self.real = Floor(
            float((judge.digits(others) == self.labels).mean()),
            metrics.frechet_distance(self.features, features),
            *metrics.precision_and_recall(self.features, features),
            metrics.diversity_ratio(self.features, features, self.labels, self.labels),
        )

    def of(self, pipeline: Pipeline, say: Callable[[str], None], **drawing: Any) -> list[DrawingReport]:
        """The reports of drawings told all, and of drawings told the digit alone."""
        reports = []
        for detailed, prompts in KINDS.items():
            say(f"drawing {len(self.chosen)} digits: {prompts}")
            images = pipeline.draw(self.prompts(detailed=detailed), seed=self.seed, **drawing)
            reports.append(self.report(images, detailed=detailed))
        return reports

    def prompts(self, *, detailed: bool) -> list[str]:
        """What is asked for: of each of the test digits all that is known of it, or the digit alone."""
        thickness, slant = self.test.thickness_bin, self.test.slant_bin
        return [
            caption_text(Caption(int(digit), int(thickness[i]), int(slant[i])) if detailed else Caption(int(digit)))
            for i, digit in zip(self.chosen, self.labels, strict=True)
        ]

    def report(self, images: Array, *, detailed: bool) -> DrawingReport:
        """How drawings (N, 28, 28) of ``prompts`` compare with the test digits."""
        right = self.judge.digits(images) == self.labels
        features = self.judge.features(images)
        precision, recall = metrics.precision_and_recall(self.features, features)
        as_asked, by_chance = {}, {}
        if detailed:
            thick, slanted = self.test.thickness_bin[self.chosen], self.test.slant_bin[self.chosen]
            as_asked["thickness"] = float((bins(thickness(images), THICKNESS_BINS) == thick).mean())
            as_asked["slant"] = float((bins(slant(images), SLANT_BINS) == slanted).mean())
            by_chance["thickness"] = _chance(self.test.labels, self.test.thickness_bin)
            by_chance["slant"] = _chance(self.test.labels, self.test.slant_bin)
        return DrawingReport(
            prompts=KINDS[detailed],
            count=len(images),
            accuracy=float(right.mean()),
            accuracy_interval=metrics.wilson_interval(int(right.sum()), len(right)),
            accuracy_by_digit=[float(right[self.labels == d].mean()) for d in range(10)],
            thickness_as_asked=as_asked.get("thickness"),
            slant_as_asked=as_asked.get("slant"),
            frechet=metrics.frechet_distance(features, self.features),
            frechet_floor=self.real.frechet,
            precision=precision,
            recall=recall,
            diversity=metrics.diversity_ratio(self.features, features, self.labels, self.labels),
            thickness_by_chance=by_chance.get("thickness"),
            slant_by_chance=by_chance.get("slant"),
        )


def _chance(labels: Array, fits: Array) -> float:
    """How often one word fits two digits of a label: the sum of its words' shares squared, on average of all labels.

    >>> _chance(np.array([7, 7, 7, 7, 1]), np.array([2, 2, 2, 0, 1]))
    0.8125
    """
    shares = [np.bincount(fits[labels == digit]) / (labels == digit).sum() for digit in np.unique(labels)]
    return float(np.mean([(share**2).sum() for share in shares]))


def _vae_quality(pipeline: Pipeline, judge: Judge, test: DigitSet, batch: int = 250) -> tuple[float, float]:
    """PSNR in dB of the test set's reconstructions, and the judge's accuracy on them."""
    parts = [test.images[start : start + batch] for start in range(0, len(test), batch)]
    images = np.concatenate([pipeline.decode(pipeline.encode(part)) for part in parts])
    accuracy = float((judge.digits(images) == test.labels).mean())
    return metrics.psnr(images.astype(np.float64), test.images.astype(np.float64), peak=255), accuracy


def _clip_quality(pipeline: Pipeline, test: DigitSet, batch: int = 500) -> dict[str, float]:
    """How often the caption nearest to a test picture is its own: of ten digits, and of three of each attribute."""
    parts = [test.images[start : start + batch] for start in range(0, len(test), batch)]
    with no_grad():
        encoded = [pipeline.clip.image(Tensor(to_unit_range(part)).to(pipeline.device)) for part in parts]
    vectors = np.concatenate([to_host(vector.data) for vector in encoded])

    def nearest(captions: Sequence[Caption]) -> Array:
        texts = to_host(pipeline.encode_prompts([caption_text(caption) for caption in captions]).pooled)
        return np.asarray((vectors @ (texts / np.linalg.norm(texts, axis=1, keepdims=True)).T).argmax(axis=1))

    by_thickness = np.stack([nearest([Caption(d, thickness=i) for i in range(3)]) for d in range(10)])
    by_slant = np.stack([nearest([Caption(d, slant=i) for i in range(3)]) for d in range(10)])
    rows = np.arange(len(test))
    return {
        "clip_zero_shot": float((nearest([Caption(d) for d in range(10)]) == test.labels).mean()),
        "clip_thickness": float((by_thickness[test.labels, rows] == test.thickness_bin).mean()),
        "clip_slant": float((by_slant[test.labels, rows] == test.slant_bin).mean()),
    }
