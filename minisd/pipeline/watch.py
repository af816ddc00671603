"""Watching a drawing's steps, so that one whose numbers went wrong can be named."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from minisd_kernels.devices import to_host

from minisd.autograd import Array

Callback: TypeAlias = Callable[[int, float, Array, Array], None]  # (step, t, z_t, z_0 as predicted then)


class Watch:
    """Passes every step on to `callback`, and keeps the sum of its z_0, which stays where it was made."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback = callback
        self.totals: list[tuple[float, Array]] = []

    def __call__(self, step: int, t: float, z_t: Array, z_0: Array) -> None:
        self.totals.append((t, z_0.sum()))
        if self.callback is not None:
            self.callback(step, t, z_t, z_0)

    def where_it_diverged(self) -> str | None:
        """The first step whose numbers are not finite; only here is anything fetched from a device to look at it."""
        for step, (t, total) in enumerate(self.totals):
            if not np.isfinite(to_host(total)):
                return f"step {step + 1} of {len(self.totals)}, t = {t:g}"
        return None
