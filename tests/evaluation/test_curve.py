"""Quality over time: what is trained, what is kept, and what is gone on with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minisd.checkpoint import CheckpointError, load_json, save_json
from minisd.evaluation import curve as curves
from minisd.evaluation.curve import Curve, Made, Point, begin, extend, lines
from minisd.evaluation.digits import DrawingReport, Floor

REAL = Floor(0.992, 1.41, 0.89, 0.91, 1.0)


def reports(accuracy: float) -> list[DrawingReport]:
    return [
        DrawingReport(
            prompts,
            200,
            accuracy - i / 10,
            (0.5, 0.75),
            [accuracy] * 10,
            None,
            None,
            20.5,
            1.41,
            0.8,
            0.7,
            0.9,
            None,
            None,
        )
        for i, prompts in enumerate(("digit, thickness and slant", "digit alone"))
    ]


class World:
    """Trainings that make nothing, and drawings as good as the minutes; stops when it is told to."""

    real, chosen = REAL, range(200)

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: list[tuple[float, str]] = []
        self.stop: float | None = None
        monkeypatch.setattr(curves, "Pipeline", SimpleNamespace(load=self.load))

    def load(self, folder: Path) -> Any:
        return SimpleNamespace(to=lambda device: (device, float(folder.name.partition("-")[0])))

    def of(self, pipeline: Any, say: Any) -> list[DrawingReport]:
        assert pipeline[0] == "emu"
        return reports(pipeline[1] / 10)

    def train(self, minutes: float, folder: Path) -> Made:
        if minutes == self.stop:
            raise KeyboardInterrupt
        self.trained.append((minutes, folder.name))
        return Made(60 * minutes, {"vae": 7, "unet": 9})

    def extend(self, folder: Path, minutes: list[float]) -> Curve:
        curve = begin(folder, {"seed": 1, "recipe": {"vae": 1}}, self)  # type: ignore[arg-type]
        for _ in extend(curve, folder, minutes, self.train, self, device="emu", say=str):  # type: ignore[arg-type]
            assert Curve.load(folder / Curve.FILE) == as_read(curve)
        return curve


def as_read(curve: Curve) -> Curve:
    """JSON has no tuples."""
    for point in curve.points:
        for part in point.drawings:
            part.accuracy_interval = [*part.accuracy_interval]  # type: ignore[assignment]
    return curve


def test_points_are_trained_and_measured_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    curve = world.extend(tmp_path / "a", [5, 0.5, 2])
    assert world.trained == [(0.5, "0.5-minutes"), (2, "2-minutes"), (5, "5-minutes")]
    assert [point.minutes for point in curve.points] == [0.5, 2, 5]
    assert (
        curve.points[1]
        == as_read(Curve({}, 0, REAL, [Point(2, Made(120, {"vae": 7, "unet": 9}), reports(0.2))])).points[0]
    )
    about = load_json(tmp_path / "a" / "curve.json")
    assert about["points"][0]["made"] == {"seconds": 30.0, "steps": {"vae": 7, "unet": 9}} and about["count"] == 200


def test_a_curve_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.stop = 2
    with pytest.raises(KeyboardInterrupt):
        world.extend(tmp_path, [1, 2, 4])
    world.stop = None
    world.extend(tmp_path, [1, 2, 4])
    assert [minutes for minutes, _ in world.trained] == [1, 2, 4]
    curve = world.extend(tmp_path, [3, 4])  # more of it
    assert [minutes for minutes, _ in world.trained] == [1, 2, 4, 3]
    assert [point.minutes for point in curve.points] == [1, 2, 3, 4]
    straight = World(monkeypatch).extend(tmp_path / "straight", [1, 2, 3, 4])
    assert as_read(curve) == as_read(straight)


def test_a_curve_of_another_training_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.extend(tmp_path, [1])
    before = (tmp_path / "curve.json").read_bytes()
    for other, said in (
        ({"seed": 2, "recipe": {"vae": 1}}, "with seed 1 and not 2: choose another folder"),
        ({"seed": 1, "recipe": {"vae": 2}}, "with another recipe: choose"),
        ({"seed": 1}, "with another recipe: choose"),
        ({"seed": 1, "recipe": {"vae": 1}, "network": "dit"}, "with network None and not dit: choose"),
    ):
        with pytest.raises(CheckpointError, match=rf"curve\.json was begun {said}"):
            begin(tmp_path, other, world)  # type: ignore[arg-type]
    world.chosen = range(100)
    with pytest.raises(CheckpointError, match=r"was begun with num 200 and not 100: choose another"):
        world.extend(tmp_path, [1])
    assert (tmp_path / "curve.json").read_bytes() == before


@pytest.mark.parametrize(
    "odd",
    [
        [],
        {},
        {"real": {}},
        {"real": None},
        {"count": "a"},
        {"training": 1},
        {"points": [1]},
        {"points": [{"minutes": 1}]},
        {"points": [{"minutes": 1, "made": {}, "drawings": []}]},
    ],
)
def test_a_damaged_curve_is_one_message(tmp_path: Path, odd: Any) -> None:
    sound = {"training": {}, "count": 2, "real": REAL.__dict__, "points": []}
    save_json(tmp_path / "curve.json", sound | odd if isinstance(odd, dict) and odd else odd)
    with pytest.raises(CheckpointError, match=r"curve\.json does not describe a curve"):
        Curve.load(tmp_path / "curve.json")


TABLE = """\
200 drawings of each kind of prompt
                    digit, thickness and slant                       digit alone
     minutes      accuracy   Fréchet    recall      accuracy   Fréchet    recall
         0.5         0.450     20.50     0.700         0.350     20.50     0.700
 real digits         0.992      1.41     0.910         0.992      1.41     0.910"""


def test_the_curve_in_lines() -> None:
    assert "\n".join(lines(Curve({}, 200, REAL, [Point(0.5, Made(30, {}), reports(0.45))]))) == TABLE
