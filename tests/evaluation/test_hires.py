"""What the comparison of enlarged drawings measures: on pictures whose digit, edges and ink are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minisd.autograd import Array
from minisd.data import draw_strokes
from minisd.evaluation import Judge
from minisd.evaluation.hires import as_json, compare, measured, table
from minisd.pipeline import Pipeline, enlarging
from minisd.pipeline.enlarging import by_bicubic

pytestmark = pytest.mark.usefixtures("numpy_backend")

SMALL, LARGE = (draw_strokes(30, 0, size=size).images for size in (28, 112))


@pytest.fixture
def judge() -> Judge:
    return Judge.load()


def test_what_is_drawn_large_is_the_same_digit_and_sharp_with_the_same_ink(judge: Judge) -> None:
    found = measured("strokes", SMALL, LARGE, judge, blurred=4.5, seconds=0.25)
    assert found.same_digit == 1 and found.same_digit_interval[1] == 1 and found.count == 30
    assert 0.8 < found.edge_width < 1.6 and found.sharper == pytest.approx(4.5 / found.edge_width)
    assert found.ink == pytest.approx(1, abs=0.01) and found.thickness == pytest.approx(0, abs=0.05)
    assert found.lost == found.gained == 0 and found.seconds == 0.25


def test_lost_strokes_thickened_ones_and_other_digits_are_seen(judge: Judge) -> None:
    thin, thick = np.where(LARGE == 255, LARGE, 0), LARGE.copy()
    for axis in (1, 2):
        for way in (-1, 1):
            thin = np.minimum(thin, np.roll(thin, 2 * way, axis))
            thick = np.maximum(thick, np.roll(thick, 2 * way, axis))
    lost, gained = (measured("", SMALL, large, judge, 4.5, 0) for large in (thin, thick))
    assert lost.ink < 0.8 < 1.2 < gained.ink and lost.thickness < -0.5 < 0.5 < gained.thickness
    assert (lost.lost, lost.gained, gained.lost, gained.gained) == (1, 0, 0, 1)
    assert measured("", SMALL, LARGE[::-1], judge, 4.5, 0).same_digit < 0.5


def test_all_ways_are_measured_on_the_same_drawings(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_drawn(pipeline: Pipeline, images: Array, *rest: object) -> Array:
        np.testing.assert_array_equal(images, SMALL)
        return LARGE

    monkeypatch.setattr(enlarging, "check_size", lambda *_: None)
    monkeypatch.setattr(enlarging, "BATCH", 30)
    monkeypatch.setattr("minisd.evaluation.hires.check_size", lambda *_: None)
    for name in ("minisd.evaluation.hires.WAYS", "minisd.pipeline.enlarging.WAYS"):
        monkeypatch.setattr(name, {"chain": as_drawn, "bicubic": by_bicubic})
    pipeline = Pipeline.load()
    asked: list[str] = []

    def draw(texts: list[str], seed: int) -> Array:
        asked.extend(texts)
        return SMALL

    monkeypatch.setattr(pipeline, "draw", draw)
    report, pictures = compare(pipeline, judge, count=30, size=112, seed=3, say=lambda line: None)
    assert len(asked) == 30 and len(set(asked)) == 10
    assert [way.way for way in report] == ["chain", "bicubic"]
    assert report[0].sharper > 2 and report[1].sharper == 1
    assert {name: images.shape for name, images in pictures.items()} == dict.fromkeys(
        ["drawing", "chain", "bicubic"], (30, 112, 112)
    )
    lines = list(table(report, 112))
    assert lines[0].split() == ["30", "drawings", "at", "112", "x", "112", "chain", "bicubic"]
    assert "  the same digit" in lines[1] and lines[1].endswith("100.0%")
    assert len({len(line) for line in lines}) == 1
    written = json.loads(json.dumps(as_json(report, 112)))
    assert written["size"] == 112 and written["ways"][1]["way"] == "bicubic"
