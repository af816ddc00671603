"""How well coloured drawings obey: digit, ink and ground, each told from the picture by itself.

    ground = the median of the frame       ink = the mean of the pixels that are farthest from it
    alpha  = (pixel - ground) . (ink - ground) / |ink - ground|^2, clipped to 0..1

alpha undoes the mixing of ``data.colours``: it is the digit in white on black, which the judge of grey digits reads,
though it never saw a colour. Ink and ground are named after the nearest colour of the palette.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from minisd import metrics
from minisd.autograd import Array
from minisd.data.colours import FRAME, NAMES, PALETTE, ColourSet, colour_phrases, combinations
from minisd.evaluation.judge import Judge
from minisd.pipeline import Pipeline

_PURE = 16  # pixels that show the ink alone: the thinnest stroke has twice as many


class Seen(NamedTuple):
    """What pictures show: digits (N,), and inks and grounds (N,) as places in NAMES."""

    digits: Array
    inks: Array
    grounds: Array


def look(judge: Judge, images: Array) -> Seen:
    """What coloured digits (N, H, W, 3) show."""
    N = len(images)
    x = images.astype(np.float32)
    frame = np.ones(images.shape[1:3], bool)
    frame[FRAME:-FRAME, FRAME:-FRAME] = False
    ground = np.median(x[:, frame], axis=1)  # (N, 3)
    away = x.reshape(N, -1, 3) - ground[:, None]  # (N, H W, 3)
    farthest = np.argsort((away**2).sum(-1), axis=1)[:, -_PURE:]
    ink = np.take_along_axis(away, farthest[..., None], axis=1).mean(1)  # (N, 3), as seen from the ground
    alpha = np.einsum("npc,nc->np", away, ink) / np.maximum((ink**2).sum(-1, keepdims=True), 1)
    grey = np.rint(255 * alpha.clip(0, 1)).astype(np.uint8).reshape(images.shape[:3])
    return Seen(judge.digits(grey[:, FRAME:-FRAME, FRAME:-FRAME]), _nearest(ground + ink), _nearest(ground))


def _nearest(colours: Array) -> Array:
    """The places in NAMES of the nearest colours; shapes (N, 3) -> (N,)."""
    distances = ((colours[:, None] - np.array([PALETTE[name] for name in NAMES])) ** 2).sum(-1)
    return np.asarray(distances.argmin(1))


@dataclass
class Obeyed:
    """How often pictures show what was said: the digit, its ink, its ground, and all three at once."""

    pictures: str
    count: int
    digit: float
    ink: float
    ground: float
    all_three: float


@dataclass
class ColourReport:
    """What ``minisd eval --data colours`` measures.

    Attributes:
        judge: of pictures drawn by code, whose digits and colours are known: how well the measuring itself does.
        drawings: of combinations that training showed, and of those that it never did.
        vae_psnr: of the test set's reconstructions, in dB.
    """

    judge: Obeyed
    drawings: list[Obeyed]
    vae_psnr: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    pipeline: Pipeline,
    judge: Judge,
    test: ColourSet,
    *,
    count: int = 1000,
    seed: int = 0,
    say: Callable[[str], None] = print,
    **drawing: Any,
) -> ColourReport:
    """Measure a model of coloured digits: `count` drawings of what it was shown, and `count` of what it never was.

    Args:
        drawing: options of ``Pipeline.draw``, such as guidance, steps and sampler.
    """
    drawings = []
    for pictures, held_out in (("combinations shown in training", False), ("combinations never shown", True)):
        say(f"drawing {count} digits: {pictures}")
        # As many of each as can be: all in turn, in an order of their own.
        every = np.random.default_rng(seed).permutation(combinations(held_out=held_out))
        asked = every[np.arange(count) % len(every)]
        prompts = [colour_phrases(*map(int, one))[0] for one in asked]
        drawings.append(_obeyed(pictures, look(judge, pipeline.draw(prompts, seed=seed, **drawing)), asked))
    say("reconstructing the test set")
    again = np.concatenate([pipeline.decode(pipeline.encode(part)) for part in np.array_split(test.images, 8)])
    known = np.stack([test.digits, test.inks, test.grounds], axis=1)
    return ColourReport(
        judge=_obeyed("pictures drawn by code", look(judge, test.images), known),
        drawings=drawings,
        vae_psnr=metrics.psnr(again.astype(np.float64), test.images.astype(np.float64), peak=255),
    )


def _obeyed(pictures: str, seen: Seen, asked: Array) -> Obeyed:
    right = np.stack(seen, axis=1) == asked  # (N, 3)
    digit, ink, ground = map(float, right.mean(0))
    return Obeyed(pictures, len(asked), digit, ink, ground, float(right.all(1).mean()))
