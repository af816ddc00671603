"""What the judge learns: which digit a picture shows."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.data.digits import DigitSet
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.pictures import to_unit_range
from minisd.train.drive import drive
from minisd.train.loop import Fit
from minisd.train.plan import Plan
from minisd.train.recipe import Recipe


class ClassifierTask:
    """Cross-entropy of the digit; pictures are shifted by up to two pixels, so that place does not matter."""

    name = "judge"
    recipe = Recipe(batch=128, peak_lr=3e-3, ema_decay=0.995, weight_decay=1e-2)

    def __init__(self, digits: DigitSet, rng: np.random.Generator) -> None:
        self.digits = digits
        self.module = Classifier(ClassifierConfig(), rng=rng)

    @property
    def sample_count(self) -> int:
        return len(self.digits)

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        dy, dx = rng.integers(-2, 3, 2)
        images = np.roll(self.digits.images[samples], (dy, dx), axis=(1, 2))
        return to_unit_range(images), self.digits.labels[samples]

    def loss(self, x: Tensor, labels: Tensor) -> Tensor:
        logits, _ = self.module(x)
        return ops.cross_entropy(logits, labels.data)

    def preview(self) -> None:
        return None


def train_judge(
    digits: DigitSet, *, seed: int = 0, minutes: float = 2.0, steps: int | None = None, device: str = "cpu"
) -> Classifier:
    """A judge trained on `device` with `digits`, for `steps` steps or, without them, for about so many minutes.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM.
        TrainingDiverged: a loss is no longer finite.
    """
    task = ClassifierTask(digits, np.random.default_rng(seed))
    task.module.to(device)
    fit = Fit(task, seed=seed)
    drive(fit, Plan({0: steps}) if steps else Plan(seconds=60 * minutes))
    fit.keep_average()
    return task.module
