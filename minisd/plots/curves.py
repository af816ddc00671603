"""Curves and bars: how losses fall, and where the time of a training step goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minisd.plots.png import save_figure

if TYPE_CHECKING:
    from minisd.train.profile import Profile

_COLOURS = 64  # of lines and letters, and of their soft edges


def save_loss_curve(path: Path | str, losses: Mapping[str, Sequence[float]], steps_per_value: int = 1) -> None:
    """Draw one panel per network: each loss in a light line, the running mean over it, on one logarithmic axis for all.

    Args:
        losses: the network's name -> its loss at every step, or at every `steps_per_value`-th.

    Raises:
        ValueError: no network at all.
        CheckpointError: the picture cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not losses:
        raise ValueError("save_loss_curve: got no losses; train a network first")
    figure = Figure(figsize=(1 + 4.5 * len(losses), 3.8), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(losses), squeeze=False, sharey=True)[0]
    positive = all(value > 0 for values in losses.values() for value in values if np.isfinite(value))
    for panel, (name, values) in zip(panels, losses.items(), strict=True):
        loss = np.asarray(values, np.float64)
        steps = steps_per_value * np.arange(1, len(loss) + 1)
        finite = np.isfinite(loss)
        steps, loss = steps[finite], loss[finite]
        panel.set(title=name, xlabel="step")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        panel.grid(alpha=0.25)
        if not len(loss):
            panel.set(xticks=[])
            panel.text(0.5, 0.5, "nothing to show yet", ha="center", va="center", transform=panel.transAxes)
            continue
        window = max(1, len(loss) // 50)
        dot = "." if len(loss) < 50 else None  # a single value makes no line
        panel.plot(steps, loss, color="tab:blue", alpha=0.3 if window > 1 else 1, linewidth=0.8, marker=dot)
        if window > 1:
            mean = _running_mean(loss, window)
            panel.plot(steps, mean, color="tab:blue", linewidth=1.8, label=f"mean of {window} values")
            panel.legend(loc="upper right", frameon=False)
    panels[0].set_ylabel("loss")
    if positive:
        plain_log_axis(panels[0])
    save_figure(path, figure, _COLOURS)


def save_panels(
    path: Path | str,
    x: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str,
    level: tuple[str, Mapping[str, float]],
) -> None:
    """Draw what several measures make of the same x: a panel each, its lines against x, and the level to compare with.

    Args:
        panels: a panel's title -> a line's name -> its values, one for each x.
        level: what the level is called, and its value in every panel.

    Raises:
        CheckpointError: the picture cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    name, levels = level
    columns = min(2, len(panels))
    figure = Figure(figsize=(12, 0.9 + 2.9 * -(-len(panels) // columns)), dpi=110, layout="constrained")
    all_panels = figure.subplots(-(-len(panels) // columns), columns, squeeze=False, sharex=True)
    order = np.argsort(x)
    for panel, (title, lines) in zip(all_panels.flat, panels.items(), strict=False):
        panel.axhline(levels[title], color="0.35", linestyle="--", linewidth=1.5, label=name)
        for marker, (line, values) in zip("osD^v" * len(lines), lines.items(), strict=False):
            panel.plot(np.asarray(x)[order], np.asarray(values)[order], marker=marker, linewidth=2, label=line)
        panel.set_title(title, fontsize=13, loc="left")
        panel.grid(alpha=0.25)
        panel.tick_params(labelsize=11)
        panel.yaxis.set_major_locator(MaxNLocator(nbins=5))
    for panel in all_panels[-1]:
        panel.set_xlabel(xlabel, fontsize=12)
        if len(x) <= 9:
            panel.set_xticks(list(x), [f"{value:g}" for value in x])
    handles, labels = all_panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=12)
    save_figure(path, figure, _COLOURS)


def save_profile(path: Path | str, profiles: Mapping[str, Profile], most: int = 12) -> None:
    """Draw one panel per network: how long its operations take in a step, forward and backward.

    Args:
        most: operations shown, the longest; the others are drawn as one.

    Raises:
        CheckpointError: the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 5 * len(profiles), 4.4), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(profiles), squeeze=False)[0]
    for panel, (name, profile) in zip(panels, profiles.items(), strict=True):
        shares = profile.shares()
        shown, others = shares[:most], shares[most:]
        if others:
            rest = others[0]._replace(
                operation="others", forward=sum(s.forward for s in others), backward=sum(s.backward for s in others)
            )
            shown.append(rest)
        names, steps = [share.operation for share in shown], max(1, profile.steps)
        forward = np.array([1000 * share.forward / steps for share in shown])
        backward = np.array([1000 * share.backward / steps for share in shown])
        panel.barh(names, forward, color="tab:blue", label="forward")
        panel.barh(names, backward, left=forward, color="tab:orange", label="backward")
        panel.invert_yaxis()
        panel.set(title=f"{name}: {forward.sum() + backward.sum():.0f} ms a step", xlabel="ms a step")
        panel.grid(axis="x", alpha=0.25)
        panel.legend(loc="lower right", frameon=False)
    save_figure(path, figure, _COLOURS)


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of each value and the ones before it, `window` in all, fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def plain_log_axis(panel: Any) -> None:
    """A logarithmic axis of losses with numbers as people write them: 0.5, not 5 x 10^-1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    panel.set_yscale("log")
    low, high = panel.get_ylim()
    decades = np.log10(high / low)
    subs = range(1, 10) if decades < 0.7 else (1, 2, 5) if decades < 3 else (1,)
    panel.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
