"""How good a model is, in numbers: its drawings against real digits, its VAE and its text encoder for themselves.

The judge is a digit classifier that minisd trained on real digits and that never sees a drawing. A high accuracy alone
says little: blurred digits, or the same ten digits over and over, score well. So its features are compared as well:
how far the drawings' distribution lies from the real one (Fréchet distance, beside that of real digits from other real
digits), and how much of the real variety they cover (recall).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from minisd_kernels.devices import to_host

from minisd import checkpoint, metrics
from minisd.autograd import Array, Tensor, no_grad
from minisd.data.digits import DigitSet
from minisd.data.morphology import SLANT_BINS, THICKNESS_BINS, bins, slant, thickness
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.pictures import to_unit_range
from minisd.pipeline import Pipeline, shipped_model
from minisd.text.captions import Caption, caption_text


@dataclass
class Judge:
    """The classifier, asked for digits and for features.

    >>> judge = Judge.load()
    >>> judge.digits(np.zeros((3, 28, 28), np.uint8)).shape
    (3,)
    """

    FILE: ClassVar[str] = "judge.safetensors"

    classifier: Classifier

    def _look(self, images: Array, batch: int = 250) -> tuple[Array, Array]:
        parts = []
        with no_grad():
            for start in range(0, len(images), batch):
                x = Tensor(to_unit_range(images[start : start + batch])).to(self.classifier.device)
                parts.append([to_host(y.data) for y in self.classifier(x)])
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def digits(self, images: Array) -> Array:
        """The digit that each picture (N, H, W) shows."""
        return np.asarray(self._look(images)[0].argmax(axis=1))

    def features(self, images: Array) -> Array:
        """What the judge sees in each picture, (N, 64)."""
        return self._look(images)[1]

    def save(self, folder: Path | str) -> None:
        """Write the weights into `folder`, and beside them their SHA-256."""
        path = Path(folder) / self.FILE
        checkpoint.save_arrays(path, self.classifier.state_dict())
        checkpoint.save_json(path.with_suffix(".json"), {"sha256": {path.name: checkpoint.digest(path)}})

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Judge:
        """The judge in `folder`; without one, the one that comes with minisd, the same for everybody.

        Raises:
            CheckpointError: no judge there, or a damaged one.
        """
        path = Path(shipped_model() if folder is None else folder) / cls.FILE
        if (about := path.with_suffix(".json")).exists():  # older judges have none
            match checkpoint.load_json(about):
                case {"sha256": {cls.FILE: str(wanted)}}:
                    checkpoint.check_digest(path, wanted)
                case other:
                    raise checkpoint.CheckpointError(f"{about}: wanted the SHA-256 of {cls.FILE}, got {other!r}")
        classifier = Classifier(ClassifierConfig(), rng=checkpoint.FirstWeights(path))
        checkpoint.load_module(classifier, path)
        return cls(classifier)


@dataclass
class DrawingReport:
    """How the drawings of one kind of prompt compare with real test digits of the same labels and attributes."""

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


def evaluate(
    pipeline: Pipeline,
    judge: Judge,
    train: DigitSet,
    test: DigitSet,
    *,
    count: int = 1000,
    seed: int = 0,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    say: Callable[[str], None] = print,
) -> Report:
    """Measure a model: `count` drawings told the digit and its attributes, and `count` told the digit alone.

    Model and judge compute where they live.

    Raises:
        ValueError: as check_count.
    """
    check_count(count, train, test)
    rng = np.random.default_rng([seed, count])
    chosen, others = _balanced(test, count, rng), _balanced(train, count, rng)
    floor = metrics.frechet_distance(judge.features(test.images[chosen]), judge.features(train.images[others]))
    drawings = []
    for prompts, detailed in (("digit, thickness and slant", True), ("digit alone", False)):
        say(f"drawing {count} digits: {prompts}")
        captions = [
            caption_text(
                Caption(int(test.labels[i]), int(test.thickness_bin[i]), int(test.slant_bin[i]))
                if detailed
                else Caption(int(test.labels[i]))
            )
            for i in chosen
        ]
        images = pipeline.draw(captions, seed=seed, guidance=guidance, steps=steps, sampler=sampler)
        drawings.append(_drawing_report(prompts, images, test, chosen, judge, floor, detailed))
    say("reconstructing and matching the test set")
    psnr, vae_accuracy = _vae_quality(pipeline, judge, test)
    return Report(
        judge_accuracy=float((judge.digits(test.images) == test.labels).mean()),
        drawings=drawings,
        vae_psnr=psnr,
        vae_accuracy=vae_accuracy,
        **_clip_quality(pipeline, test),
    )


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


def _drawing_report(
    prompts: str, images: Array, test: DigitSet, chosen: Array, judge: Judge, floor: float, detailed: bool
) -> DrawingReport:
    labels = test.labels[chosen]
    right = judge.digits(images) == labels
    features, real = judge.features(images), judge.features(test.images[chosen])
    precision, recall = metrics.precision_and_recall(real, features)
    as_asked = {}
    if detailed:
        as_asked["thickness"] = float((bins(thickness(images), THICKNESS_BINS) == test.thickness_bin[chosen]).mean())
        as_asked["slant"] = float((bins(np.rad2deg(slant(images)), SLANT_BINS) == test.slant_bin[chosen]).mean())
    return DrawingReport(
        prompts=prompts,
        count=len(images),
        accuracy=float(right.mean()),
        accuracy_interval=metrics.wilson_interval(int(right.sum()), len(right)),
        accuracy_by_digit=[float(right[labels == d].mean()) for d in range(10)],
        thickness_as_asked=as_asked.get("thickness"),
        slant_as_asked=as_asked.get("slant"),
        frechet=metrics.frechet_distance(features, real),
        frechet_floor=floor,
        precision=precision,
        recall=recall,
        diversity=metrics.diversity_ratio(real, features, labels, labels),
    )


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
