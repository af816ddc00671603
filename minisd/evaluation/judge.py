"""The judge: a digit classifier that learned from real digits and never sees a drawing while it learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from minisd_kernels.devices import to_host

from minisd import checkpoint
from minisd.autograd import Array, Tensor, no_grad
from minisd.models.classifier import Classifier, ClassifierConfig
from minisd.pictures import to_unit_range
from minisd.pipeline import shipped_model


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
