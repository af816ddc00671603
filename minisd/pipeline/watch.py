"""Watching a drawing's steps, so that one whose numbers went wrong can be named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
from minisd_kernels.devices import to_host

from minisd.autograd import Array
from minisd.pipeline.model import SamplingDiverged

Callback: TypeAlias = Callable[[int, float, Array, Array], None]  # (step, t, z_t, z_0 as predicted then)


@contextmanager
def watching(callback: Callback | None, guidance: float) -> Iterator[Callback]:
    """Gives what is to be called after every step, and calls `callback` in turn.

    Raises:
        SamplingDiverged: the block raised it, and a step's numbers were not finite; says which.
    """
    totals: list[tuple[float, Array]] = []  # t and the sum of z_0 of each step, which stays where it was made

    def watch(step: int, t: float, z_t: Array, z_0: Array) -> None:
        totals.append((t, z_0.sum()))
        if callback is not None:
            callback(step, t, z_t, z_0)

    try:
        with np.errstate(all="ignore"):  # what overflows is said in words
            yield watch
    except SamplingDiverged:  # only now is anything fetched from a device to look at it
        for step, (t, total) in enumerate(totals):
            if not np.isfinite(to_host(total)):
                raise SamplingDiverged(
                    f"drawing: the numbers are no longer finite at step {step + 1} of {len(totals)}, t = {t:g}; "
                    f"draw with less guidance than {guidance:g}, or have the model's weights looked at"
                ) from None
        raise
