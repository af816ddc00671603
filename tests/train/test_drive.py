"""The drive: what it calls and when, how it stops, and that it is stopped only between steps."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from minisd.autograd import Array, Tensor
from minisd.nn import Module, Parameter
from minisd.train import drive as driving
from minisd.train.drive import Interrupted, drive
from minisd.train.loop import Fit, TrainingDiverged
from minisd.train.plan import Plan
from minisd.train.recipe import Recipe


class Weight(Module):
    def __init__(self) -> None:
        self.weight = Parameter(np.ones(2))


class Spy:
    """A task that sends the process a signal at some step, and notes what is called."""

    name, sample_count = "spy", 4
    recipe = Recipe(batch=2, peak_lr=0.1)

    def __init__(self, signals: dict[int, int] | None = None) -> None:
        self.module, self.signals, self.steps = Weight(), signals or {}, 0

    def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
        self.steps += 1
        if self.steps in self.signals:
            os.kill(os.getpid(), self.signals[self.steps])
        return (np.ones(2),)

    def loss(self, x: Tensor) -> Tensor:
        return (self.module.weight * x).sum()


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_all_steps_are_taken_and_the_end_is_shown_and_saved(capsys: pytest.CaptureFixture[str]) -> None:
    fit, calls = Fit(Spy(), seed=0), []
    taken = drive(
        fit, Plan({0: 5}), name="a network",
        save=lambda: calls.append(("save", fit.steps_done)), preview=lambda: calls.append(("preview", fit.steps_done)),
    )  # fmt: skip
    assert len(taken) == fit.steps_done == 5 and all(seconds > 0 for seconds in taken)
    assert calls == [("preview", 5), ("save", 5)]
    said = capsys.readouterr().err
    assert "a network: 100%" in said and "5/5" in said and "loss=" in said and "images/s=" in said


def test_what_is_over_is_only_shown_and_saved() -> None:
    fit, calls = Fit(Spy(), seed=0), []
    drive(fit, Plan({0: 2}))
    assert drive(fit, Plan({0: 2}), save=lambda: calls.append(fit.steps_done)) == [] and calls == [2]


def test_it_saves_and_shows_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 5  # each step takes two looks at the clock: 10 seconds
        return now[0]

    monkeypatch.setattr(driving.time, "monotonic", clock)
    fit, calls = Fit(Spy(), seed=0), []
    drive(
        fit, Plan({0: 25}, clock=lambda: 0),
        save=lambda: calls.append(("save", fit.steps_done)), preview=lambda: calls.append(("preview", fit.steps_done)),
    )  # fmt: skip
    saved, shown = ([step for what, step in calls if what == wanted] for wanted in ("save", "preview"))
    assert saved == [4, 8, 12, 16, 20, 24, 25] and shown == [13, 25]


def test_the_plan_ends_it() -> None:
    fit = Fit(Spy(), seed=0)
    drive(fit, Plan({3: 20, 6: 8}))
    assert fit.steps_done == fit.steps == 8


def test_until_it_is_planned_the_time_left_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    class Short(Plan):
        def total(self, n: int) -> int | None:
            return 3 if n == 3 else None

    drive(Fit(Spy(), seed=0), Short(seconds=3725))
    assert "left=1:02:0" in capsys.readouterr().err


def test_every_step_is_watched() -> None:
    steps = []

    @contextmanager
    def watching(step: int) -> Iterator[None]:
        yield
        steps.append((step, fit.steps_done))

    fit = Fit(Spy(), seed=0)
    drive(fit, Plan({0: 3}), watching=watching)
    assert steps == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_after_the_step_which_is_saved(number: signal.Signals) -> None:
    before, saved = handlers(), []
    fit = Fit(Spy({3: number}), seed=0)
    with pytest.raises(Interrupted, match=r"^stopped at step 3 of spy$") as caught:
        drive(fit, Plan({0: 9}), save=lambda: saved.append(fit.steps_done))
    assert saved == [3] and caught.value.signum == number and isinstance(caught.value, KeyboardInterrupt)
    assert handlers() == before


def test_a_signal_while_the_end_is_shown_is_not_forgotten() -> None:
    fit, saved = Fit(Spy(), seed=0), []
    with pytest.raises(Interrupted, match="step 2"):
        drive(
            fit, Plan({0: 2}),
            preview=lambda: os.kill(os.getpid(), signal.SIGINT), save=lambda: saved.append(fit.steps_done),
        )  # fmt: skip
    assert saved == [2]


def test_who_asks_twice_is_obeyed_at_once() -> None:
    class Impatient(Spy):
        def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
            super().batch(samples, rng)
            return super().batch(samples, rng)

    before, fit = handlers(), Fit(Impatient({3: signal.SIGINT, 4: signal.SIGINT}), seed=0)
    with pytest.raises(KeyboardInterrupt) as caught:
        drive(fit, Plan({0: 9}))
    assert not isinstance(caught.value, Interrupted) and fit.steps_done == 1 and handlers() == before


def test_in_another_thread_signals_are_left_alone() -> None:
    fit = Fit(Spy(), seed=0)
    thread = threading.Thread(target=drive, args=(fit, Plan({0: 2})))
    thread.start()
    thread.join()
    assert fit.done


def test_divergence_ends_it_and_nothing_is_saved() -> None:
    class Diverging(Spy):
        def loss(self, x: Tensor) -> Tensor:
            return super().loss(x) * (np.nan if self.steps == 2 else 1.0)

    before, saved = handlers(), []
    with pytest.raises(TrainingDiverged, match="spy, step 1"):
        drive(Fit(Diverging(), seed=0), Plan({0: 9}), save=lambda: saved.append(1))
    assert not saved and handlers() == before


def test_time_is_kept_without_a_number_of_steps() -> None:
    """20 ms a step and 0.5 s: whatever the machine, it ends, near its time unless the machine is very slow."""

    class Slow(Spy):
        def batch(self, samples: Array, rng: np.random.Generator) -> tuple[Array, ...]:
            time.sleep(0.01)
            return super().batch(samples, rng)

    fit, totals = Fit(Slow(), seed=0), {}
    drive(fit, Plan(totals, 0.3))
    assert fit.done and fit.steps == max(totals.items())[1] and 10 <= fit.steps_done <= 31
