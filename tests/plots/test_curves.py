"""Loss curves: where steps and losses stand, and what is drawn of strange ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from picture_files import pixels

from minisd.checkpoint import CheckpointError
from minisd.plots import save_loss_curve, save_panels
from minisd.plots.curves import _running_mean


def test_loss_curve_of_three_networks(tmp_path: Path) -> None:
    save_loss_curve(tmp_path / "one.png", {"vae": [3.0, 2.0, 1.0]})
    save_loss_curve(tmp_path / "three.png", {"vae": [3.0, 2.0, 1.0], "clip": [2.0], "unet": [1.0, 0.5]}, 10)
    one, three = pixels(tmp_path / "one.png"), pixels(tmp_path / "three.png")
    assert one.shape[0] == three.shape[0] and three.shape[1] > 2 * one.shape[1]
    for picture in (one, three):
        for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
            assert (edge == 255).all()  # nothing is cut off


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [float("nan")] * 3, [1.0, float("inf"), 0.5], [-1.0, 2.0], [0.0, 0.0], [1.0, 1.0], [1e-30, 1e30]],
)
def test_loss_curve_of_strange_losses(tmp_path: Path, values: list[float]) -> None:
    save_loss_curve(tmp_path / "a.png", {"unet": values})
    assert (pixels(tmp_path / "a.png") < 128).any()


def test_loss_curve_has_steps_and_losses_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("minisd.plots.curves.save_figure", lambda path, figure, colours: drawn.append(figure))
    values = [float("nan"), *np.linspace(8, 1, 199)]
    save_loss_curve(tmp_path / "a.png", {"vae": values, "unet": [2.0, -1.0]}, steps_per_value=5)
    vae, unet = drawn[0].axes
    assert [(panel.get_title(), panel.get_yscale()) for panel in (vae, unet)] == [("vae", "linear"), ("unet", "linear")]
    each, mean = vae.get_lines()
    for line in (each, mean):
        assert line.get_xdata().tolist() == list(range(10, 1001, 5))  # what is not finite is left out
    assert each.get_ydata().tolist() == values[1:]
    np.testing.assert_allclose(mean.get_ydata()[5], np.mean(values[4:7]))  # windows of a fiftieth
    assert [text.get_text() for text in vae.get_legend().get_texts()] == ["mean of 3 values"]
    assert len(unet.get_lines()) == 1 and unet.get_legend() is None  # the mean of one value is that value


def test_the_panels_of_one_figure_can_be_compared_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("minisd.plots.curves.save_figure", lambda path, figure, colours: drawn.append(figure))
    save_loss_curve(tmp_path / "a.png", {"FCN": [1.0, 0.5], "U-Net": [0.6, 0.1]})
    fcn, unet = drawn[0].axes
    assert fcn.get_yscale() == "log" and fcn.get_ylim() == unet.get_ylim()
    drawn[0].canvas.draw()
    low, high = fcn.get_ylim()
    ticks = [text.get_text() for text in fcn.get_yticklabels() if low <= text.get_position()[1] <= high]
    assert ticks == ["0.1", "0.2", "0.5", "1"]


def test_loss_curve_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="train a network first"):
        save_loss_curve(tmp_path / "a.png", {})


def test_running_mean() -> None:
    assert _running_mean(np.array([4.0, 2.0, 6.0, 0.0]), 2).tolist() == [4, 3, 4, 3]
    assert _running_mean(np.array([4.0, 2.0]), 1).tolist() == [4, 2]
    assert _running_mean(np.array([4.0, 2.0]), 9).tolist() == [4, 3]


def test_panels_have_their_lines_and_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr("minisd.plots.curves.save_figure", lambda path, figure, colours: drawn.append(figure))
    panels = {"up": {"a": [3.0, 1.0], "b": [5.0, 4.0]}, "down": {"a": [1.0, 3.0], "b": [1.0, 1.0]}}
    save_panels("a.png", [2.0, 0.5], panels, "guidance", level=("real", {"up": 0.5, "down": 0.25}))
    up, down = drawn[0].axes
    assert [panel.get_title(loc="left") for panel in (up, down)] == ["up", "down"] and up.get_xlabel() == "guidance"
    level, a, b = up.get_lines()
    assert list(level.get_ydata()) == [0.5, 0.5] and list(down.get_lines()[0].get_ydata()) == [0.25, 0.25]
    assert list(a.get_xdata()) == [0.5, 2.0] and list(a.get_ydata()) == [1, 3] and list(b.get_ydata()) == [4, 5]
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["real", "a", "b"]


def test_where_no_curve_can_be(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a\.png: could not be written"):
        save_loss_curve(tmp_path / "missing" / "a.png", {"unet": [1.0]})
