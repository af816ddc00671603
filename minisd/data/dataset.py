"""What a data set is: pictures with captions, from a file of its own and one line in ``sets.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "test"]


class CaptionedImages(Protocol):
    """Pictures (N, H, W) or (N, H, W, 3) uint8, each with one or many captions."""

    @property
    def images(self) -> NDArray[np.uint8]: ...

    def __len__(self) -> int: ...

    def captions(self, indices: NDArray[Any], rng: np.random.Generator) -> list[str]:
        """A caption for each of the samples `indices`."""
        ...

    def all_captions(self) -> list[str]:
        """Every caption that `captions` can return."""
        ...

    def example_captions(self) -> list[str]:
        """Ten captions to draw while training."""
        ...


@dataclass(frozen=True)
class CaptionedPictures:
    """Pictures, each with its own caption."""

    images: NDArray[np.uint8]
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def captions(self, indices: NDArray[Any], rng: np.random.Generator) -> list[str]:
        return [self.texts[i] for i in indices]

    def all_captions(self) -> list[str]:
        return sorted(set(self.texts))

    def example_captions(self) -> list[str]:
        distinct = self.all_captions()
        count = min(10, len(distinct))
        return [distinct[i * len(distinct) // count] for i in range(count)]


@dataclass(frozen=True)
class ClassedPictures:
    """Pictures with labels; a label's caption is one of its wordings, the plainest first."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    wordings: Sequence[Sequence[str]]

    def __len__(self) -> int:
        return len(self.images)

    def captions(self, indices: NDArray[Any], rng: np.random.Generator) -> list[str]:
        ways = [self.wordings[int(self.labels[i])] for i in indices]
        return [words[int(rng.integers(len(words)))] for words in ways]

    def all_captions(self) -> list[str]:
        return sorted({text for words in self.wordings for text in words})

    def example_captions(self) -> list[str]:
        count = min(10, len(self.wordings))
        return [self.wordings[i * len(self.wordings) // count][0] for i in range(count)]


class Source(NamedTuple):
    """Where pictures come from, as the user said it.

    Attributes:
        folder: the folder that they are in.
        background: the ground under transparent ones, "white" or "black".
        size: their height and width; None for what fits most of them.
        fit: what is done with those of another shape, "pad" or "crop".
        say: what to do with remarks on what was passed over.
        caption: of all pictures of a folder, which then need none of their own; None for those.
    """

    folder: Path | None = None
    background: str | None = None
    size: tuple[int, int] | None = None
    fit: str = "pad"
    say: Callable[[str], None] = print
    caption: str | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set that can be named.

    Attributes:
        about: what it holds.
        load: its pictures.
        folder: whether it is in a folder that the user names.
        measured: what drawings can be measured by: "digits", a ``DigitSet``, which a judge can learn, too; "coloured
            digits", a ``ColourSet``; None if it holds no more than captions.
    """

    about: str
    load: Callable[[Split, Source], CaptionedImages]
    folder: Literal["needed", "optional", "none"]
    measured: Literal["digits", "coloured digits"] | None = None

    @property
    def digits(self) -> bool:
        return self.measured == "digits"
