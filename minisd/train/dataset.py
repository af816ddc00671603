"""Pictures with captions, ready for training: digits whose captions are made up anew each time, or a folder's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from minisd.autograd import Array
from minisd.data.digits import DigitSet, load_digits
from minisd.data.folder import load_folder
from minisd.text.captions import Caption, all_captions, caption_text, random_caption


class CaptionedImages(Protocol):
    """Pictures (N, H, W) uint8, each with one or many captions."""

    images: Array

    def __len__(self) -> int: ...

    def captions(self, indices: Array, rng: np.random.Generator) -> list[str]:
        """A caption for each of the samples `indices`."""
        ...

    def all_captions(self) -> list[str]:
        """Every caption that `captions` can return."""
        ...

    def example_captions(self) -> list[str]:
        """Ten captions to draw while training."""
        ...


@dataclass
class CaptionedDigits:
    """Digits: the caption names the digit, and often its thickness and slant, in ever new words."""

    digits: DigitSet

    def __post_init__(self) -> None:
        self.images = self.digits.images

    def __len__(self) -> int:
        return len(self.images)

    def captions(self, indices: Array, rng: np.random.Generator) -> list[str]:
        labels, thick, slant = self.digits.labels, self.digits.thickness_bin, self.digits.slant_bin
        return [random_caption(int(labels[i]), int(thick[i]), int(slant[i]), rng) for i in indices]

    def all_captions(self) -> list[str]:
        return all_captions()

    def example_captions(self) -> list[str]:
        return [caption_text(Caption(digit)) for digit in range(10)]


@dataclass
class CaptionedFolder:
    """A folder of pictures, each with its own caption."""

    images: Array
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def captions(self, indices: Array, rng: np.random.Generator) -> list[str]:
        return [self.texts[i] for i in indices]

    def all_captions(self) -> list[str]:
        return sorted(set(self.texts))

    def example_captions(self) -> list[str]:
        distinct = self.all_captions()
        count = min(10, len(distinct))
        return [distinct[i * len(distinct) // count] for i in range(count)]


DATA_SETS = ("mnist", "strokes", "folder")


def load_training_set(name: str, data_dir: Path | None) -> CaptionedImages:
    """The training set called `name`: mnist, strokes, or the folder `data_dir`.

    Raises:
        DataError: the files are missing or damaged.
        ValueError: no data set has that name, or a folder is wanted and none given.
    """
    if name == "folder":
        if data_dir is None:
            raise ValueError("a folder of pictures needs --data-dir: the folder with the pictures and captions.csv")
        images, texts = load_folder(data_dir)
        return CaptionedFolder(images, texts)
    return CaptionedDigits(load_digits(name, "train", data_dir))
