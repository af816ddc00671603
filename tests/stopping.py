"""Ctrl-C in the middle of a training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from minisd.train.drive import Interrupted
from minisd.train.loop import Fit


@contextmanager
def stopped_at(network: str, step: int) -> Iterator[None]:
    """The training inside is asked to stop when a network has done so many steps, and has to."""
    take = Fit.step

    def interrupted(fit: Fit) -> None:
        take(fit)
        if (fit.task.name, fit.steps_done) == (network, step):
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fit, "step", interrupted)
        with pytest.raises(Interrupted, match=f"stopped at step {step} of {network}"):
            yield
