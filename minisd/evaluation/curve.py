"""Time and quality: what a training makes of one minute, of two, of five.

Each point is a model of its own, trained from the start for so long, since the rate of learning follows the length of
the training: one that was stopped halfway is not what half the time would have made. All draw the same prompts from the
same noise.

folder/  curve.json        what was measured so far, and of which training: a curve that was stopped goes on from it
         curve.png
         1-minutes/ ...    the models
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from minisd import checkpoint
from minisd.evaluation.digits import KINDS, DrawingReport, Drawings, Floor
from minisd.pipeline import Pipeline


@dataclass(frozen=True)
class Made:
    """What a training came to: the seconds that it took, and the steps of each network."""

    seconds: float
    steps: dict[str, int]


@dataclass(frozen=True)
class Point:
    """A model that was given so many minutes, and what its drawings are like, one report for each kind of prompt."""

    minutes: float
    made: Made
    drawings: list[DrawingReport]


@dataclass
class Curve:
    """Points of one training, and what real digits have in the drawings' place.

    Attributes:
        training: what tells it from others, names and values as JSON holds them.
        count: drawings of each kind of prompt.
    """

    FILE: ClassVar[str] = "curve.json"

    training: dict[str, Any]
    count: int
    real: Floor
    points: list[Point] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The curve that ``save`` wrote.

        Raises:
            CheckpointError: no such file, or a damaged one.
        """
        match checkpoint.load_json(path):
            case {
                "training": dict() as training,
                "count": int() as count,
                "real": dict() as real,
                "points": list() as points,
            }:
                try:
                    return cls(training, count, Floor(**real), [_point(**point) for point in points])
                except TypeError as error:
                    raise checkpoint.CheckpointError(f"{path} does not describe a curve: {error}") from error
        raise checkpoint.CheckpointError(f"{path} does not describe a curve; choose another --out")

    def save(self, path: Path) -> None:
        checkpoint.save_json(path, asdict(self))


def _point(minutes: float, made: dict[str, Any], drawings: list[dict[str, Any]]) -> Point:
    return Point(minutes, Made(**made), [DrawingReport(**one) for one in drawings])


def begin(folder: Path, training: dict[str, Any], compared: Drawings) -> Curve:
    """The curve in the folder, to go on with, or a new one.

    Raises:
        CheckpointError: the folder holds a curve of another training or of other drawings, or a damaged one.
    """
    new = Curve(training, len(compared.chosen), compared.real)
    if not (path := folder / Curve.FILE).exists():
        checkpoint.make_folder(folder)
        new.save(path)
        return new
    found = Curve.load(path)
    there, wanted = ({"num": curve.count, **curve.training} for curve in (found, new))
    for name in {**there, **wanted}:
        if (old := there.get(name)) != (this := wanted.get(name)):
            how = f"another {name}" if isinstance(old or this, dict) else f"{name} {old} and not {this}"
            raise checkpoint.CheckpointError(f"{path} was begun with {how}: choose another folder with --out")
    return found


def extend(
    curve: Curve,
    folder: Path,
    minutes: Sequence[float],
    train: Callable[[float, Path], Made],
    compared: Drawings,
    *,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> Iterator[Point]:
    """Train and measure what is not measured yet, the shortest first; the curve is written after each.

    Args:
        train: given minutes and a folder, makes a model there, or goes on making it.
    """
    for one in sorted(minutes):
        if any(point.minutes == one for point in curve.points):
            say(f"{one:g} minutes: measured already")
            continue
        say(f"{one:g} minutes: training")
        made = train(one, place := folder / f"{one:g}-minutes")
        point = Point(one, made, compared.of(Pipeline.load(place).to(device), say))
        curve.points = sorted([*curve.points, point], key=lambda point: point.minutes)
        curve.save(folder / Curve.FILE)
        yield point


def lines(curve: Curve) -> Iterator[str]:
    """The curve in lines of at most 80 letters: a line a point, the two kinds of prompts side by side."""
    yield f"{curve.count:,} drawings of each kind of prompt"
    yield f"{'':>12}" + "".join(f"{prompts:>34}" for prompts in KINDS.values())
    numbers = f"{'accuracy':>14}{'Fréchet':>10}{'recall':>10}"
    yield f"{'minutes':>12}{numbers}{numbers}"
    for point in curve.points:
        yield f"{f'{point.minutes:g}':>12}" + "".join(map(_numbers, point.drawings))
    yield f"{'real digits':>12}{_numbers(curve.real)}{_numbers(curve.real)}"


def _numbers(part: DrawingReport | Floor) -> str:
    return f"{part.accuracy:>14.3f}{part.frechet:>10.2f}{part.recall:>10.3f}"
