"""For how many steps a network is trained: a number, or as many as fit into the time."""

from __future__ import annotations

import time
from collections.abc import Callable

from minisd.checkpoint import CheckpointError

# That a stage of the training takes unless it is told otherwise.
MINUTES = {"model": 14.0, "hires": 8.0, "few": 4.0, "lora": 2.0}

_COMPILING, _MEASURED = 2, 8  # steps: not counted, and counted before the first plan
_PLANS = 8  # about so often is a network's time looked at again
_RESERVE = 0.05  # of the time, for the last checkpoint and the last preview


class Plan:
    """The number of steps in all, made from the time and made again while it goes.

    The learning rate follows the number of steps, so what the clock decides is written down: whoever goes on with a
    run, or repeats it, plans at the same steps the same numbers, and has the same bits.

    >>> [Plan({0: 500}).total(n) for n in (0, 499)]
    [500, 500]
    >>> [Plan({10: 300, 90: 200}).total(n) for n in (9, 10, 89, 90)]
    [None, 300, 300, 200]

    Args:
        totals: what is planned already: after how many steps -> how many they will be in all; filled in while it goes.
        seconds: how long all steps may take from now on; None for `totals` alone.
        changed: called when the plan was made or made again.
    """

    def __init__(
        self,
        totals: dict[int, int] | None = None,
        seconds: float | None = None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.totals = {} if totals is None else totals
        self._seconds, self._changed, self._clock = seconds, changed, clock
        self._began = clock()
        self._first: int | None = None  # step of this sitting
        self._since: tuple[int, float] | None = None  # step and time from which a step's time is measured
        self._made = False  # in this sitting

    def total(self, n: int) -> int | None:
        """How many steps they will be in all, as known when `n` are done; None while nothing is planned yet."""
        if self._seconds is not None and n not in self.totals:
            self._plan(n, self._seconds)
        made = [at for at in self.totals if at <= n]
        return max(n, self.totals[max(made)]) if made else None

    def seconds_left(self) -> float | None:
        """Until the time is over; None if no time was set."""
        return None if self._seconds is None else max(0.0, self._began + self._seconds - self._clock())

    def _plan(self, n: int, seconds: float) -> None:
        now = self._clock()
        if self._first is None:
            self._first = n
        if self._since is None:
            if n >= self._first + _COMPILING:
                self._since = n, now
            return
        steps, elapsed = n - self._since[0], now - self._since[1]
        due = elapsed >= seconds / _PLANS if self._made else steps >= _MEASURED
        if not due or n < max(self.totals, default=0):  # what is written down is followed to its end
            return
        left = self._began + (1 - _RESERVE) * seconds - now
        self.totals[n] = n + max(0, int(left * steps / max(elapsed, 1e-9)))
        self._since, self._made = (n, now), True
        self._changed()


def read_totals(value: object, where: str) -> dict[int, int]:
    """The `totals` of a plan as JSON holds them: pairs, or the one number that earlier versions wrote.

    Raises:
        CheckpointError: something else.
    """
    match value:
        case int() if not isinstance(value, bool) and value > 0:
            return {0: value}
        case list() if all(
            isinstance(pair, list) and len(pair) == 2 and all(type(number) is int and number >= 0 for number in pair)
            for pair in value
        ):
            return dict(value)
    raise CheckpointError(f"{where} is {value!r}; wanted pairs of step and steps in all, such as [[10, 4000]]")
