"""What enlarging does to drawings: the same digit, sharper edges, no more and no less ink; three ways side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minisd import metrics
from minisd.autograd import Array
from minisd.data.morphology import thickness
from minisd.evaluation.judge import Judge
from minisd.pipeline import Pipeline
from minisd.pipeline.enlarging import WAYS, check_size, enlarge
from minisd.resizing import area_mean
from minisd.sharpness import edge_width
from minisd.text.captions import Caption, caption_text


@dataclass
class Enlarged:
    """How the pictures that one way makes compare with the drawings that they were made of.

    Attributes:
        same_digit: the part in which the judge sees, in the picture reduced by area, the digit that it saw before.
        edge_width: median 10%-to-90% rise of the edges, in pixels of the large picture.
        sharper: how many times narrower than bicubic's that is.
        ink: each reduced picture's ink by the drawing's: the median, and between what nine in ten lie.
        thickness: median difference of the strokes' thickness, in pixels of the drawing.
        lost: the part of the drawings of which more than a tenth of the ink went, and `gained` to which as much came.
        seconds: a picture.
    """

    way: str
    count: int
    same_digit: float
    same_digit_interval: tuple[float, float]
    edge_width: float
    sharper: float
    ink: float
    ink_range: tuple[float, float]
    thickness: float
    lost: float
    gained: float
    seconds: float


def compare(
    pipeline: Pipeline, judge: Judge, *, count: int, size: int, seed: int = 0, say: Callable[[str], None] = print
) -> tuple[list[Enlarged], dict[str, Array]]:
    """Enlarge `count` drawings, one digit after the other, in all ways; returns what was measured, and the pictures.

    Raises:
        ValueError: a size that the model cannot draw.
    """
    check_size(pipeline, size)
    prompts = [caption_text(Caption(i % 10)) for i in range(count)]
    say(f"drawing {count} digits")
    drawings = pipeline.draw(prompts, seed=seed)
    pictures, seconds = {}, {}
    for name in WAYS:
        say(f"enlarging them to {size} x {size}: {name}")
        began = time.perf_counter()
        pictures[name] = enlarge(pipeline, drawings, prompts, size=size, seed=seed, hires=name)
        seconds[name] = (time.perf_counter() - began) / count
    blurred = edge_width(pictures["bicubic"])
    report = [measured(name, drawings, large, judge, blurred, seconds[name]) for name, large in pictures.items()]
    factor = size // drawings.shape[1]
    return report, {"drawing": drawings.repeat(factor, axis=1).repeat(factor, axis=2)} | pictures


def measured(way: str, drawings: Array, large: Array, judge: Judge, blurred: float, seconds: float) -> Enlarged:
    small = np.rint(area_mean(large, large.shape[1] // drawings.shape[1])).astype(np.uint8)
    same = judge.digits(small) == judge.digits(drawings)
    ink = small.sum((1, 2)) / np.maximum(drawings.sum((1, 2), dtype=np.float64), 1)
    low, median, high = np.percentile(ink, (5, 50, 95))
    width = edge_width(large)
    return Enlarged(
        way=way,
        count=len(drawings),
        same_digit=float(same.mean()),
        same_digit_interval=metrics.wilson_interval(int(same.sum()), len(same)),
        edge_width=width,
        sharper=blurred / width,
        ink=float(median),
        ink_range=(float(low), float(high)),
        thickness=float(np.median(thickness(small) - thickness(drawings))),
        lost=float((ink < 0.9).mean()),
        gained=float((ink > 1.1).mean()),
        seconds=seconds,
    )


def table(report: list[Enlarged], size: int) -> Iterator[str]:
    """The report in lines, a way a column."""
    yield f"{f'{report[0].count} drawings at {size} x {size}':<36}" + "".join(f"{way.way:>16}" for way in report)
    lines: tuple[tuple[str, Callable[[Enlarged], str]], ...] = (
        ("  the same digit", lambda way: f"{way.same_digit:.1%}"),
        ("    95% interval", lambda way: "{:.1%} to {:.1%}".format(*way.same_digit_interval)),
        ("  edge width, pixels", lambda way: f"{way.edge_width:.2f}"),
        ("    times sharper than bicubic", lambda way: f"{way.sharper:.2f}"),
        ("  ink by the drawing's", lambda way: f"{way.ink:.3f}"),
        ("    nine in ten", lambda way: "{:.2f} to {:.2f}".format(*way.ink_range)),
        ("  thickness, pixels more", lambda way: f"{way.thickness:+.2f}"),
        ("  a tenth of the ink lost", lambda way: f"{way.lost:.1%}"),
        ("  a tenth of the ink gained", lambda way: f"{way.gained:.1%}"),
        ("  ms a picture", lambda way: f"{1000 * way.seconds:.0f}"),
    )
    for name, value in lines:
        yield f"{name:<36}" + "".join(f"{value(way):>16}" for way in report)


def as_json(report: list[Enlarged], size: int) -> dict[str, Any]:
    """The report as JSON can hold it."""
    return {"size": size, "ways": [asdict(way) for way in report]}
