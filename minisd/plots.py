"""Pictures for people: loss curves, sheets of drawn digits, and how one emerges from noise. All are PNG files.

Matplotlib and Pillow are imported where they are used: importing this module costs nothing. Only Matplotlib's Figure is
used and never pyplot, which keeps every figure alive and looks for a screen.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minisd.checkpoint import CheckpointError, write_atomically
from minisd.data.components import connected_components
from minisd.overlap import match

if TYPE_CHECKING:
    from minisd.train.profile import Profile

_RED = "#e01020"
_FONT_HEIGHT = 11  # pixels; smaller letters cannot be read


def save_loss_curve(path: Path | str, losses: Mapping[str, Sequence[float]], steps_per_value: int = 1) -> None:
    """Draw one panel per network: each loss in a light line, the running mean over it, on a logarithmic axis.

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
    for panel, (name, values) in zip(figure.subplots(1, len(losses), squeeze=False)[0], losses.items(), strict=True):
        loss = np.asarray(values, np.float64)
        steps = steps_per_value * np.arange(1, len(loss) + 1)
        finite = np.isfinite(loss)
        steps, loss = steps[finite], loss[finite]
        panel.set(title=name, xlabel="step", ylabel="loss")
        panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        panel.grid(which="both", alpha=0.25)
        if not len(loss):
            panel.set(xticks=[], yticks=[])
            panel.text(0.5, 0.5, "nothing to show yet", ha="center", va="center", transform=panel.transAxes)
            continue
        window = max(1, len(loss) // 50)
        panel.plot(steps, loss, color="tab:blue", alpha=0.3, linewidth=0.8, label="each value")
        dot = "." if len(loss) < 50 else None  # a single value makes no line
        mean = _running_mean(loss, window)
        panel.plot(steps, mean, color="tab:blue", linewidth=1.8, marker=dot, label=f"mean of {window}")
        if (loss > 0).all():
            panel.set_yscale("log")
        panel.legend(loc="upper right", frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    _write_png(path, picture)


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
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    _write_png(path, picture)


def save_grid(
    path: Path | str,
    images: NDArray[np.uint8],
    columns: int | None = None,
    scale: int = 3,
    margin: int = 2,
    captions: Sequence[str] | None = None,
) -> None:
    """Lay pictures out row by row on a white sheet, each under its caption.

    Shapes: images (N, H, W) uint8, 0 black and 255 white.

    Args:
        columns: pictures a row; as square a sheet as can be if not given.
        scale: each pixel becomes scale x scale pixels, unblurred.
        margin: white pixels around each picture.
        captions: one text per picture; long ones are broken into lines.

    Raises:
        ValueError: wrong shape or type, no picture, a size below 1, or not one caption per picture.
        CheckpointError: the picture cannot be written.
    """
    from PIL import Image, ImageDraw

    if images.ndim != 3 or images.dtype != np.uint8 or not images.size:
        raise ValueError(
            f"save_grid: wanted pictures (N, H, W) of uint8, at least one, got {images.shape} of {images.dtype}"
        )
    N, H, W = images.shape
    columns = math.ceil(math.sqrt(N)) if columns is None else columns
    if columns < 1 or scale < 1 or margin < 0:
        raise ValueError(f"save_grid: columns {columns}, scale {scale} and margin {margin} do not make a sheet")
    captions = [""] * N if captions is None else captions
    if len(captions) != N:
        raise ValueError(f"save_grid: {N} pictures need {N} captions, got {len(captions)}")

    font = load_font()
    width, height = W * scale + margin, H * scale + margin
    letters = max(1, int((width - margin) / font.getlength("x")))  # in a line: all letters are equally wide
    lines = [textwrap.wrap(caption, letters) for caption in captions]
    line_height = sum(font.getmetrics())
    rows = [range(start, min(start + columns, N)) for start in range(0, N, columns)]
    bands = [line_height * max(len(lines[i]) for i in row) for row in rows]  # the room for a row's captions

    sheet = Image.new("L", (margin + min(columns, N) * width, margin + len(rows) * height + sum(bands)), 255)
    draw = ImageDraw.Draw(sheet)
    top = margin
    for row, band in zip(rows, bands, strict=True):
        for column, i in enumerate(row):
            left = margin + column * width
            # Captions end right above their picture, so that short ones beside long ones do not float.
            text_top = top + band - line_height * len(lines[i])
            for number, line in enumerate(lines[i]):
                middle = left + W * scale / 2
                draw.text((middle, text_top + number * line_height), line, fill=0, font=font, anchor="ma")
            sheet.paste(Image.fromarray(images[i].repeat(scale, axis=0).repeat(scale, axis=1)), (left, top + band))
        top += band + height
    picture = io.BytesIO()
    sheet.save(picture, format="PNG")
    _write_png(path, picture)


def save_strip(path: Path | str, frames: NDArray[np.uint8], labels: Sequence[str], scale: int = 3) -> None:
    """Lay out how pictures emerge from noise: a row is one picture, a column one moment, named at its top.

    Shapes: frames (S, N, H, W) uint8: S moments of N pictures; labels S texts, such as "t = 999".

    Raises:
        ValueError: wrong shape or type, or not one label per moment.
        CheckpointError: the picture cannot be written.
    """
    if frames.ndim != 4 or len(labels) != len(frames):
        raise ValueError(
            f"save_strip: wanted frames (S, N, H, W) and S labels, got {frames.shape} and {len(labels)} labels"
        )
    S, N, H, W = frames.shape
    captions = [*labels, *[""] * (S * (N - 1))]
    save_grid(path, frames.swapaxes(0, 1).reshape(N * S, H, W), columns=S, scale=scale, captions=captions)


def draw_rows(
    rows: Mapping[str, NDArray[Any]], headings: Sequence[str] = (), notes: Mapping[str, Sequence[str]] | None = None
) -> Any:
    """A figure of rows of pictures (N, H, W), 0 black and 255 white, each row behind its name.

    Args:
        headings: stand over the columns.
        notes: a row's name -> a word under each of its pictures.
    """
    from matplotlib.figure import Figure

    notes = notes or {}
    columns, tops, depth = max(map(len, rows.values())), {}, 0.0
    for row in rows:
        tops[row] = depth
        depth += 1.32 if row in notes else 1.06
    inch, left, top = 0.78, 0.15 + 0.08 * max(map(len, rows)), 0.35 if headings else 0.08  # inches: a picture, margins
    width, height = left + inch * columns + 0.05, top + inch * depth + 0.02
    figure = Figure(figsize=(width, height), dpi=110)
    panel = figure.add_axes((left / width, 0.02 / height, inch * columns / width, inch * depth / height))
    for row, pictures in rows.items():
        for column, picture in enumerate(pictures):
            extent = (column, column + 0.94, tops[row] + 0.94, tops[row])
            panel.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest")
        for column, note in enumerate(notes.get(row, ())):
            panel.text(column + 0.47, tops[row] + 0.98, note, ha="center", va="top", fontsize=10)
    panel.set(xlim=(0, columns), ylim=(depth, 0), aspect="auto")
    panel.set_yticks([top + 0.47 for top in tops.values()], list(rows), fontsize=10)
    panel.xaxis.tick_top()
    panel.set_xticks([column + 0.47 for column in range(len(headings))], list(headings), fontsize=10)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    return figure


def save_segmentation(
    path: Path | str,
    images: NDArray[np.uint8],
    instances: NDArray[np.int32],
    masks: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Lay segmentations side by side: a row is a picture; its columns the picture, the true cells, and each network's.

    A true cell has a colour, and the component that found it has the same; what it missed of the cell is darker. A
    component that found several cells is red, one that found none is white.

    Shapes: images (N, H, W) uint8, instances (N, H, W), masks each (N, H, W).

    Args:
        masks: a column's title -> the pixels that were taken for cells.

    Raises:
        ValueError: no picture, or shapes that differ.
        CheckpointError: the picture cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shapes = [instances.shape, *(mask.shape for mask in masks.values())]
    if images.ndim != 3 or not images.size or any(shape != images.shape for shape in shapes):
        raise ValueError(
            f"save_segmentation: wanted pictures (N, H, W), at least one, and all else of their shape, got "
            f"{images.shape} and {', '.join(map(str, shapes))}"
        )
    rows, columns = len(images), 2 + len(masks)
    figure = Figure(figsize=(2.75 * columns, 2.75 * rows + 0.9), dpi=110, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for i, row in enumerate(panels):
        row[0].imshow(images[i], cmap="gray")
        for panel, mask in zip(row[1:], (instances[i] > 0, *(mask[i] for mask in masks.values())), strict=True):
            panel.imshow(_coloured_cells(instances[i], mask), interpolation="nearest")
        for panel in row:
            panel.set_axis_off()
    for panel, title in zip(panels[0], ("picture", "truth", *masks), strict=True):
        panel.set_title(title, fontsize=10)
    named = [Patch(facecolor=_RED, label="a component that found several cells")]
    named += [Patch(facecolor="white", edgecolor="black", label="a component that found no cell")]
    named += [Patch(facecolor="#404a66", label="dark shades: what was missed of a cell")]
    figure.legend(handles=named, loc="outside lower center", ncols=len(named), frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    _write_png(path, picture)


def _coloured_cells(instances: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The components of a mask in the colours of the cells that they found; shapes (H, W) -> (H, W, 3)."""
    from matplotlib.colors import hsv_to_rgb, to_rgb

    components = connected_components(mask)
    found = match(instances, components) > 0
    # Hues a golden section apart: neighbouring numbers differ most. None of them is red.
    hues = 0.1 + 0.8 * (np.arange(len(found)) * 0.618034 % 1)
    of_cells = hsv_to_rgb(np.stack([hues, np.full_like(hues, 0.55), np.full_like(hues, 0.95)], axis=1))
    of_components = np.ones((found.shape[1], 3))  # white
    for component, cells in enumerate(found.T):
        if cells.any():
            of_components[component] = of_cells[cells.argmax()] if cells.sum() == 1 else to_rgb(_RED)
    ground = np.full((1, 3), 0.1)
    missed = np.concatenate([ground, 0.45 * of_cells])[instances]
    coloured: NDArray[np.float64] = np.where(
        mask[..., None], np.concatenate([ground, of_components])[components], missed
    )
    return coloured


def _running_mean(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The mean of each value and the ones before it, `window` in all, fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    means: NDArray[np.float64] = (sums[ends] - sums[starts]) / (ends - starts)
    return means


def load_font(height: int = _FONT_HEIGHT, face: str = "DejaVuSansMono") -> Any:
    """A font that comes with Matplotlib: found on every machine, and with more alphabets than Pillow's own."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{face}.ttf", height)


def _write_png(path: Path | str, picture: io.BytesIO) -> None:
    if Path(path).suffix.lower() != ".png":
        raise CheckpointError(f"{path}: pictures are written as PNG; choose a name that ends in .png")
    write_atomically(path, picture.getvalue())
