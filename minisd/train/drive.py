"""The drive: from the first step to the last, in sight, and stoppable at any moment."""

from __future__ import annotations

import signal
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import numpy as np
from tqdm import tqdm

from minisd.train.loop import Fit
from minisd.train.plan import Plan

SAVE_SECONDS, PREVIEW_SECONDS = 30, 120


class Interrupted(KeyboardInterrupt):
    """Training was stopped from outside, by Ctrl-C or by a request to end (SIGTERM), after a whole step."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signum


def drive(
    fit: Fit,
    plan: Plan,
    *,
    name: str = "",
    save: Callable[[], None] = lambda: None,
    preview: Callable[[], None] = lambda: None,
    watching: Callable[[int], AbstractContextManager[None]] = lambda step: nullcontext(),
) -> list[float]:
    """Take all steps of the plan that are left to take; returns the seconds of each.

    Args:
        name: shown; the task's if not given.
        save: called twice a minute, when training is stopped, and at the end.
        preview: called every other minute and at the end.
        watching: given the number of the step, a context to take it in.

    Raises:
        Interrupted: training was stopped; the step was finished, and saved.
        TrainingDiverged: a loss is no longer finite.
    """
    durations: list[float] = []
    fit.steps = plan.total(fit.steps_done)
    saved = previewed = time.monotonic()
    title = name or fit.task.name
    with _stop_signal() as stop, tqdm(initial=fit.steps_done, desc=title, unit="step", dynamic_ncols=True) as bar:
        _show(bar, fit, plan, durations)
        while not fit.done:
            began = time.monotonic()
            with watching(fit.steps_done):
                fit.step()
            now = time.monotonic()
            durations.append(now - began)
            fit.steps = plan.total(fit.steps_done)
            _show(bar, fit, plan, durations)
            if stop:
                break
            if now - saved > SAVE_SECONDS:
                save()
                saved = now
            if now - previewed > PREVIEW_SECONDS:
                preview()
                previewed = now
        if not stop:
            preview()
        save()
    if stop:
        raise Interrupted(f"stopped at step {fit.steps_done} of {title}", stop[0])
    return durations


def _show(bar: tqdm, fit: Fit, plan: Plan, durations: list[float]) -> None:
    bar.total = fit.steps
    numbers = {}
    if durations:
        numbers["loss"] = f"{np.mean(fit.losses[-50:]):.4f}"
        numbers["images/s"] = f"{fit.batch_size / max(float(np.mean(durations[-20:])), 1e-9):.0f}"
    if fit.steps is None and (left := plan.seconds_left()) is not None:  # then the bar itself cannot say
        numbers["left"] = tqdm.format_interval(left)
    bar.set_postfix(numbers, refresh=not durations)
    bar.update(fit.steps_done - bar.n)


@contextmanager
def _stop_signal() -> Iterator[list[int]]:
    """A list that Ctrl-C and SIGTERM put their number into, rather than stop in the middle of a step, whose weights
    would be neither old nor new. Who asks a second time is obeyed at once.

    Signals reach the main thread alone: elsewhere they do what they did before.
    """
    received: list[int] = []

    def note(signum: int, frame: types.FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signum)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
