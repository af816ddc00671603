"""Digits with the attributes that captions name, from either data set."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minisd.data.errors import DataError
from minisd.data.mnist import load_mnist
from minisd.data.morphology import SLANT_BINS, THICKNESS_BINS, bins, slant, thickness
from minisd.data.strokes import StrokeSet, draw_strokes


@dataclass(frozen=True)
class DigitSet:
    """Images uint8 (N, 28, 28), labels (N,), thickness (N,) in pixels and slant (N,) in degrees, + leaning right.

    The attributes are those that the digits were drawn with; where there are no such, they are measured when first
    asked for, which takes 20 s for the 60,000 of MNIST.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    drawn: StrokeSet | None = None

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def thickness(self) -> NDArray[np.float64]:
        return self.drawn.thickness if self.drawn else thickness(self.images)

    @cached_property
    def slant(self) -> NDArray[np.float64]:
        return self.drawn.slant if self.drawn else np.rad2deg(slant(self.images))

    @cached_property
    def thickness_bin(self) -> NDArray[np.int64]:
        """0 thin, 1 medium, 2 thick."""
        return bins(self.thickness, THICKNESS_BINS)

    @cached_property
    def slant_bin(self) -> NDArray[np.int64]:
        """0 leaning left, 1 upright, 2 leaning right."""
        return bins(self.slant, SLANT_BINS)


def load_digits(name: str, split: Literal["train", "test"], data_dir: Path | None = None) -> DigitSet:
    """MNIST, or digits drawn by code.

    The strokes are made on the spot, 20,000 to train and 2,000 to test; `data_dir` is for MNIST (see `load_mnist`).

    Raises:
        DataError: no such data set or split, or MNIST's files are missing or damaged.
    """
    if split not in ("train", "test"):
        raise DataError(f'load_digits: split is {split!r}; wanted "train" or "test"')
    if name == "mnist":
        return DigitSet(*load_mnist(split, data_dir))
    if name == "strokes":
        count, seed = (20_000, 0) if split == "train" else (2_000, 1)
        strokes = draw_strokes(count, seed)
        return DigitSet(strokes.images, strokes.labels, strokes)
    raise DataError(f'load_digits: no data set {name!r}; wanted "mnist" or "strokes"')
