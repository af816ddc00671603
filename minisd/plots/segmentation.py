"""Segmented cells: what was found, what was merged, what was missed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minisd.data.components import connected_components
from minisd.overlap import match
from minisd.plots.png import save_figure

_RED = "#e01020"


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
    save_figure(path, figure)


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
