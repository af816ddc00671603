"""Coloured digits on coloured grounds, drawn by code: a data set whose pictures show whether a whole sentence is heard.

    pixel = ground + alpha (ink - ground)        alpha in [0, 1]: how much of the pixel the pen covered

Digit, ink and ground are chosen freely, but for 56 of the 560 combinations, which are never shown, "a red seven on
blue" among them. Every two of their words are shown together, only never all three: a model that draws them has not
learned pictures by heart, but what each word does.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minisd.data.dataset import DataSet, Source, Split
from minisd.data.strokes import draw_strokes
from minisd.text.captions import DIGITS

PALETTE = {  # red, green and blue of each colour that has a name here
    "red": (215, 35, 40),
    "orange": (245, 140, 25),
    "yellow": (245, 215, 40),
    "green": (35, 150, 65),
    "blue": (35, 80, 210),
    "purple": (160, 70, 190),
    "black": (20, 20, 20),
    "white": (245, 245, 245),
}
NAMES = tuple(PALETTE)
FRAME = 2  # pixels of ground around the 28 x 28 of a drawn digit
_UNEVEN = 10  # levels by which a colour may differ from the palette's: paint is never the same
MENTION = 5 / 6  # how often a caption says the ink, and how often the ground


def is_held_out(digit: Any, ink: Any, ground: Any) -> Any:
    """Whether combinations, numbers or arrays of them, are kept from training: one digit of each two colours.

    >>> is_held_out(7, NAMES.index("red"), NAMES.index("blue"))
    True
    """
    return (digit + 3 * ink + ground) % 10 == 1


@cache
def combinations(*, held_out: bool) -> tuple[tuple[int, int, int], ...]:
    """Digit, ink and ground of all that can be drawn: what training never shows, or all else.

    >>> len(combinations(held_out=True)), len(combinations(held_out=False))
    (56, 504)
    """
    colours = range(len(NAMES))
    every = product(range(10), colours, colours)
    return tuple(one for one in every if one[1] != one[2] and is_held_out(*one) == held_out)


@cache
def colour_phrases(digit: int, ink: int | None = None, ground: int | None = None) -> tuple[str, ...]:
    """Every phrase that says exactly this, the plainest first; a colour is its place in NAMES, None if it is not said.

    >>> colour_phrases(8, NAMES.index("orange"), NAMES.index("black"))[::3]
    ('an orange eight on black', 'an eight in orange on a black ground', 'an 8 in orange on black')
    """
    places = [""] if ground is None else [f" on {NAMES[ground]}", f" on {_with_article(NAMES[ground])} ground"]
    things = []
    for noun in (DIGITS[digit], str(digit)):
        things += [noun] if ink is None else [f"{NAMES[ink]} {noun}", f"{noun} in {NAMES[ink]}"]
    return tuple(_with_article(thing) + place for thing, place in product(things, places))


def _with_article(thing: str) -> str:
    return f"{'an' if thing.startswith(('orange', 'eight', '8')) else 'a'} {thing}"


@dataclass(frozen=True)
class ColourSet:
    """Images uint8 (N, 32, 32, 3), digits (N,), and inks (N,) and grounds (N,) as places in NAMES.

    Each of the two is said in a caption with probability `mention`.
    """

    images: NDArray[np.uint8]
    digits: NDArray[np.int64]
    inks: NDArray[np.int64]
    grounds: NDArray[np.int64]
    mention: float = MENTION

    def __len__(self) -> int:
        return len(self.images)

    def captions(self, indices: NDArray[Any], rng: np.random.Generator) -> list[str]:
        texts = []
        for i in indices:
            ink, ground = (int(of[i]) if rng.random() < self.mention else None for of in (self.inks, self.grounds))
            phrases = colour_phrases(int(self.digits[i]), ink, ground)
            texts.append(phrases[rng.integers(len(phrases))])
        return texts

    def all_captions(self) -> list[str]:
        shown = combinations(held_out=False)
        if is_held_out(self.digits, self.inks, self.grounds).any():
            shown += combinations(held_out=True)
        said = {(digit, *colours) for digit, a, b in shown for colours in product((a, None), (b, None))}
        return sorted(text for one in said for text in colour_phrases(*one))

    def example_captions(self) -> list[str]:
        shown = combinations(held_out=False)
        return [colour_phrases(*shown[55 * digit + 1])[0] for digit in range(10)]


def draw_colours(count: int, seed: int, *, held_out: bool | None = False) -> ColourSet:
    """`count` drawn digits in two colours; the i-th depends on the seed and i alone, not on the count.

    Args:
        held_out: False for the combinations that training shows, True for the others, None for any.

    >>> drawn = draw_colours(3, seed=0)
    >>> drawn.images.shape, drawn.images.dtype
    ((3, 32, 32, 3), dtype('uint8'))
    """
    strokes = draw_strokes(count, seed)
    images = np.zeros((count, *(side + 2 * FRAME for side in strokes.images.shape[1:]), 3), np.uint8)
    inks, grounds = np.zeros((2, count), np.int64)
    chosen = combinations(held_out=bool(held_out)) + (combinations(held_out=True) if held_out is None else ())
    pairs = [[colours for digit, *colours in chosen if digit == d] for d in range(10)]
    for i in range(count):
        rng = np.random.default_rng((seed, i, 1))
        inks[i], grounds[i] = pairs[strokes.labels[i]][rng.integers(len(pairs[strokes.labels[i]]))]
        ink, ground = (np.array(PALETTE[NAMES[n]]) + rng.uniform(-_UNEVEN, _UNEVEN, 3) for n in (inks[i], grounds[i]))
        alpha = np.pad(strokes.images[i], FRAME)[..., None] / 255
        images[i] = np.rint((ground + alpha * (ink - ground)).clip(0, 255)).astype(np.uint8)
    return ColourSet(images, strokes.labels, inks, grounds)


def _load(split: Split, source: Source) -> ColourSet:
    """Drawn on the spot: 20,000 to train with, of shown combinations alone, and 2,000 of all to test."""
    return draw_colours(20_000, 0) if split == "train" else draw_colours(2_000, 1, held_out=None)


COLOURS = DataSet(
    "coloured digits on coloured grounds, drawn by code", _load, folder="none", measured="coloured digits"
)
