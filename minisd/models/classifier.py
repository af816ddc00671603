"""The digit classifier: the judge of what was drawn, and the features that the Fréchet distance is taken in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minisd import ops
from minisd.autograd import Tensor
from minisd.nn import Conv2d, GroupNorm, Linear, Module


@dataclass(frozen=True)
class ClassifierConfig:
    """Sizes of the classifier: channels of its three convolutions, and the width of its features."""

    channels: tuple[int, int, int] = (32, 64, 64)
    features: int = 64
    classes: int = 10


class Classifier(Module):
    """Three convolutions, each followed by norm, SiLU and a 2 x 2 max-pool, then two linear layers.

    >>> classifier = Classifier(ClassifierConfig(), rng=np.random.default_rng(0))
    >>> logits, features = classifier(Tensor(np.zeros((2, 28, 28, 1), np.float32)))
    >>> logits.shape, features.shape
    ((2, 10), (2, 64))
    """

    def __init__(self, config: ClassifierConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        a, b, c = config.channels
        self.convolutions = [Conv2d(i, o, 3, padding=1, rng=rng) for i, o in ((1, a), (a, b), (b, c))]
        self.norms = [GroupNorm(8, channels) for channels in config.channels]
        self.to_features = Linear(3 * 3 * c, config.features, rng=rng)
        self.to_logits = Linear(config.features, config.classes, rng=rng)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 10) and features (B, features) of pictures (B, 28, 28, 1) in [-1, 1]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.max_pool2d(norm(convolution(x), silu=True), window=2)  # 28 -> 14 -> 7 -> 3
        features = ops.silu(self.to_features(x.reshape(x.shape[0], -1)))
        return self.to_logits(features), features
