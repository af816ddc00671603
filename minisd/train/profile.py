"""Where a training step's time goes: by operation, forward and backward.

Inside ``Profile.watching()`` the few methods that every step passes through are replaced by timed ones; nothing else
changes, and a network learns the same. What no operation accounts for is Python, and the making of batches.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minisd_kernels.devices import synchronise

from minisd.autograd import Function
from minisd.memory import page_faults
from minisd.optim import EMA, AdamW
from minisd.train.loop import Fit

_WAYS = ("forward", "backward")


class Share(NamedTuple):
    """Seconds that an operation took in all, and how often it ran forward."""

    operation: str
    forward: float
    backward: float
    calls: int

    @property
    def seconds(self) -> float:
        return self.forward + self.backward


@dataclass
class Profile:
    """The times of one network's steps.

    Attributes:
        device: where it is trained. A GPU is waited for at the end of every operation: else its time would count as
            that of the one which waits next.
        steps: how many were watched.
        seconds: how long they took in all.
        faults: the page faults in them: memory that was new to the process.
    """

    device: str = "cpu"
    steps: int = 0
    seconds: float = 0.0
    faults: int = 0
    _times: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    _calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Time every step that is made inside the block."""
        apply = Function.apply.__func__  # type: ignore[attr-defined]
        with ExitStack() as replaced:
            for owner, name, method in (
                (Function, "apply", classmethod(self._timed(apply, "forward"))),
                (Function, "run_backward", self._timed(Function.run_backward, "backward")),
                (AdamW, "step", self._timed(AdamW.step, "forward")),
                (EMA, "update", self._timed(EMA.update, "forward")),
                (Fit, "step", self._counted(Fit.step)),
            ):
                replaced.enter_context(_replaced(owner, name, method))
            yield

    def _timed(self, method: Callable[..., Any], way: str) -> Callable[..., Any]:
        def timed(owner: Any, *args: Any, **kwargs: Any) -> Any:
            name = (owner if isinstance(owner, type) else type(owner)).__name__.lstrip("_")
            started = time.perf_counter()
            result = method(owner, *args, **kwargs)
            synchronise(self.device)
            self._times[name, way] += time.perf_counter() - started
            self._calls[name] += way == "forward"
            return result

        return timed

    def _counted(self, method: Callable[..., None]) -> Callable[..., None]:
        def counted(fit: Fit) -> None:
            started, faults = time.perf_counter(), page_faults() or 0
            method(fit)
            self.seconds += time.perf_counter() - started
            self.faults += (page_faults() or 0) - faults
            self.steps += 1

        return counted

    def shares(self) -> list[Share]:
        """All operations, the longest first, and the rest of the steps' time at the end."""
        names = {name for name, _ in self._times}
        forward, backward = ({name: self._times.get((name, way), 0.0) for name in names} for way in _WAYS)
        shares = [Share(name, forward[name], backward[name], self._calls[name]) for name in names]
        rest = max(0.0, self.seconds - sum(share.seconds for share in shares))
        return [
            *sorted(shares, key=lambda share: -share.seconds),
            Share("rest: Python, batches", rest, 0.0, self.steps),
        ]

    def table(self, network: str) -> str:
        """The shares as lines, in milliseconds a step."""
        if not self.steps:
            return f"{network}: no step was watched"
        lines = [f"{network}: {1000 * self.seconds / self.steps:.1f} ms a step, mean of {self.steps}"]
        lines.append(f"  {'operation':<22}{'calls':>8}{'forward':>10}{'backward':>10}{'share':>8}")
        for share in self.shares():
            each = [f"{1000 * seconds / self.steps:.2f}" for seconds in (share.forward, share.backward)]
            part = f"{100 * share.seconds / self.seconds:.1f}%"
            lines.append(f"  {share.operation:<22}{share.calls / self.steps:>8.4g}{each[0]:>10}{each[1]:>10}{part:>8}")
        lines.append(f"  {self.faults / self.steps:,.0f} page faults a step")
        return "\n".join(lines)


@contextmanager
def _replaced(owner: type, name: str, method: Any) -> Iterator[None]:
    before = vars(owner)[name]
    setattr(owner, name, method)
    try:
        yield
    finally:
        setattr(owner, name, before)
