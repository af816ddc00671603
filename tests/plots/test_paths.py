"""Paths in the plane: a panel a sampler, inks where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from minisd.plots import save_paths


def test_a_panel_for_each_sampler(tmp_path: Path) -> None:
    paths = np.array([[[-2.0, -2.0]], [[2.0, -2.0]]])  # along the bottom, in blue
    for count in (1, 6):
        panels = {f"sampler {k}": ("2 calls", paths) for k in range(count)}
        save_paths(tmp_path / f"{count}.png", "From noise", lambda x: np.exp(-(x**2).sum(axis=1)), paths, panels)
    one, six = (np.asarray(Image.open(tmp_path / f"{count}.png").convert("RGB")).astype(int) for count in (1, 6))
    assert six.shape[0] > 1.5 * one.shape[0] and six.shape[1] > 4 * one.shape[1]
    for pixels, count in ((one, 1), (six, 6)):
        blue = abs(pixels - [31, 119, 180]).max(axis=2) < 12
        assert (blue.sum(axis=1) > 0.4 * 286 * min(count, 5)).any()
        assert (abs(pixels - [254, 196, 79]).max(axis=2) < 40).sum() > 100  # the data
