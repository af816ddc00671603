"""Lines with their names at their ends: where they stand, and that no name covers another."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from picture_files import pixels

from minisd.plots import Panel, save_lines
from minisd.plots.lines import lines, spread

NEAR = {"a": [(8.0, 0.5), (1.0, 0.25)], "b": [(1.0, 1.0), (8.0, 0.51)], "c": [(1.0, 0.5), (7.0, 0.5)]}


def test_lines_have_their_points_and_names() -> None:
    other = {"c": [(2.0, 3.0)], "a": [(1.0, 2.0)]}
    panels = [Panel("up", NEAR, 0.5), Panel("down", other, 1.0, log=True)]
    figure = lines(panels, 2, "cost", [1, 8], "real")
    up, down = figure.axes
    assert [axes.get_title(loc="left") for axes in (up, down)] == ["up", "down"]
    level, *drawn = up.get_lines()
    assert list(level.get_ydata()) == [0.5, 0.5]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in drawn] == [
        (1, 8, 0.25, 0.5),
        (1, 8, 1, 0.51),
        (1, 7, 0.5, 0.5),
    ]
    assert [text.get_text() for text in up.texts] == ["real", "a", "b", "c"]
    colours = {text.get_text(): text.get_color() for text in up.texts}
    assert {text.get_text(): text.get_color() for text in down.texts}.items() <= colours.items()
    assert len(set(colours.values())) == 4
    assert (up.get_xscale(), up.get_yscale(), down.get_yscale()) == ("log", "linear", "log")
    assert [tick.get_text() for tick in down.get_xticklabels()] == ["1", "8"]


def test_no_name_covers_another() -> None:
    figure = lines([Panel("all", NEAR, 0.5), Panel("level", {"a": [(1.0, 1.0)]}, 1.0)], 1, "cost", [1], "real")
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = sorted(tuple(Text.get_window_extent(text).intervaly) for text in axes.texts)  # without the strokes
        assert all(below[1] < above[0] for below, above in pairwise(boxes)), boxes


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.floats(0.1, 50))
def test_spread_keeps_gaps_order_and_the_middle(places: list[float], gap: float) -> None:
    found = spread(places, gap)
    order = np.argsort(places, kind="stable")
    assert (np.diff(np.array(found)[order]) >= gap - 1e-9).all()
    assert np.mean(found) == pytest.approx(np.mean(places), abs=1e-9)
    if len(places) == 1 or np.diff(np.sort(places)).min() >= gap:
        assert found == pytest.approx(places, abs=1e-9)


def test_what_is_0_has_no_logarithm(tmp_path: Path) -> None:
    panels = [Panel("a", {"x": [(1.0, 0.0), (2.0, 1.0)]}, 1.0, log=True)]
    assert lines(panels, 1, "cost", [1, 2], "real").axes[0].get_yscale() == "linear"
    save_lines(tmp_path / "a.png", panels, 1, "cost", [1, 2], "real")
    picture = pixels(tmp_path / "a.png")
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()  # nothing is cut off
