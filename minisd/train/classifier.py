"""What the judge learns: which digit a picture shows."""

from __future__ import annotations

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.data.digits import DigitSet
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.pictures import to_unit_range
from minisd.train.loop import Recipe


class ClassifierTask:
    """Cross-entropy of the digit; the pictures are shifted by up to two pixels, so that the judge is not fooled by place."""

    name = "judge"
    recipe = Recipe(batch=128, peak_lr=3e-3, ema_decay=0.995, weight_decay=1e-2)

    def __init__(self, digits: DigitSet, rng: np.random.Generator) -> None:
        self.digits = digits
        self.module = Classifier(ClassifierConfig(), rng=rng)

    @property
    def sample_count(self) -> int:
        return len(self.digits)

    def loss(self, indices: Array, rng: np.random.Generator) -> Tensor:
        images = self.digits.images[indices]
        dy, dx = rng.integers(-2, 3, 2)
        logits, _ = self.module(Tensor(to_unit_range(np.roll(images, (dy, dx), axis=(1, 2)))))
        return ops.cross_entropy(logits, self.digits.labels[indices])

    def preview(self) -> None:
        return None
