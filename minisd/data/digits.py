"""Digits with the attributes that captions name, whichever data set they are from."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minisd.data.morphology import SLANT_BINS, THICKNESS_BINS, bins, slant, thickness
from minisd.text.captions import MENTION, Caption, all_captions, caption_text, random_caption


class Drawn(Protocol):
    """What is known of digits that code drew: thickness (N,) in pixels and slant (N,) in degrees."""

    @property
    def thickness(self) -> NDArray[np.float64]: ...

    @property
    def slant(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class DigitSet:
    """Images uint8 (N, 28, 28), labels (N,), thickness (N,) in pixels and slant (N,) in degrees, + leaning right.

    The attributes are those that the digits were drawn with; where there are no such, they are measured when first
    asked for, which takes 20 s for the 60,000 of MNIST. A digit's caption names it, and often its thickness and slant,
    in ever new words.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    drawn: Drawn | None = None
    mention: float = MENTION

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def thickness(self) -> NDArray[np.float64]:
        return self.drawn.thickness if self.drawn else thickness(self.images)

    @cached_property
    def slant(self) -> NDArray[np.float64]:
        return self.drawn.slant if self.drawn else slant(self.images)

    @cached_property
    def thickness_bin(self) -> NDArray[np.int64]:
        """0 thin, 1 medium, 2 thick."""
        return bins(self.thickness, THICKNESS_BINS)

    @cached_property
    def slant_bin(self) -> NDArray[np.int64]:
        """0 leaning left, 1 upright, 2 leaning right."""
        return bins(self.slant, SLANT_BINS)

    def captions(self, indices: NDArray[Any], rng: np.random.Generator) -> list[str]:
        caption = partial(random_caption, mention=self.mention)
        labels, thick, slanted = self.labels, self.thickness_bin, self.slant_bin
        return [caption(int(labels[i]), int(thick[i]), int(slanted[i]), rng) for i in indices]

    def all_captions(self) -> list[str]:
        return all_captions()

    def example_captions(self) -> list[str]:
        return [caption_text(Caption(digit)) for digit in range(10)]
