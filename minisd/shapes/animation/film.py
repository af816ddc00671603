"""A window operation on small whole numbers, step by step: what is in every cell, and the sum that is being done."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from minisd_kernels.arguments import Pair
from numpy.typing import NDArray

from minisd import ops
from minisd.autograd import Tensor, no_grad
from minisd.shapes.animation.operation import WindowOperation

Numbers = NDArray[np.float64]
Box = tuple[int, int, int, int]  # top, left, rows, columns


class Calculation(NamedTuple):
    """What is computed at one step: terms, and what stands before, between and behind them."""

    start: str
    terms: list[str]
    join: str
    end: str

    def within(self, letters: int) -> str:
        """One line; terms in the middle are left out until it is no longer than `letters`, or one is left.

        >>> Calculation("max(", ["1", "2", "3", "4", "5"], ", ", ") = 5").within(20)
        'max(1, ..., 5) = 5'
        """
        for kept in range(len(self.terms), 0, -1):
            terms = self.terms if kept == len(self.terms) else [*self.terms[: kept - 1], "...", self.terms[-1]]
            line = self.start + self.join.join(terms) + self.end
            if len(line) <= letters:
                break
        return line


class Panel(NamedTuple):
    """One map at one step.

    Attributes:
        name: input, window or output.
        title: the name and the sizes.
        values: the number in every cell, NaN where there is none yet.
        roles: what every cell is, as in WindowOperation.
        map: the map without its border.
        now: what the window spans, or the one cell that it stands for.
        covered: cells under the window -> what is done there, such as "*2".
        largest: the covered cell that a pooling takes.
    """

    name: str
    title: str
    values: Numbers
    roles: NDArray[np.str_]
    map: Box
    now: Box | None
    covered: dict[Pair, str]
    largest: Pair | None = None


class Film:
    """The numbers of a window operation, computed by the kernels of the current backend.

    Attributes:
        weight: the window's numbers (kh, kw); a pooling uses none.
        wide, narrow: the two maps at every step (steps, rows, columns), NaN where there is no number yet.

    Raises:
        ShapeError: the padding of a pooling is not smaller than its window.

    >>> film = Film(WindowOperation("conv", 3, window=2))
    >>> film.calculation(1).within(80), film.narrow[1].tolist()
    ('3*2 + 4*(-1) + 3*1 + 1*1 = 6', [[6.0, 6.0], [nan, nan]])
    """

    def __init__(self, operation: WindowOperation) -> None:
        self.operation = operation
        pooling = operation.kind == "pool"
        rng = np.random.default_rng(29)
        self.weight = rng.integers(-1, 3, operation.each("F")).astype(np.float64)
        # No zeros in the input: those are the padding's.
        x = rng.integers(1, 10 if pooling else 6, operation.each("I")).astype(np.float64)
        F, stride, padding, dilation = (operation.each(letter) for letter in "FSPD")
        steps = np.arange(operation.steps)[:, None, None]
        done = steps.reshape(operation.each("narrow")) <= steps
        if operation.kind == "transposed":
            # One input for each step, with the cells up to that one: what comes out is the output so far, still uncut.
            beyond = [max(0, axis.a - axis.P) for axis in operation.axes]
            sizes = {"stride": stride, "dilation": dilation, "output_padding": beyond}
            y = _run(ops.conv_transpose2d, x * done, self.weight, **sizes)
            to_come = (operation.reached > steps) & (operation.reached < operation.steps)
            self.wide = np.where(to_come, np.nan, y)
            self.narrow = np.broadcast_to(x, done.shape)
        else:
            if pooling:
                y = _run(ops.max_pool2d, x[None], window=F, stride=stride, padding=padding)
            else:
                y = _run(ops.conv2d, x[None], self.weight, stride=stride, padding=padding, dilation=dilation)
            padded = np.pad(x, [(P, P) for P in padding], constant_values=-np.inf if pooling else 0.0)
            self.wide = np.broadcast_to(padded, (operation.steps, *padded.shape))
            self.narrow = np.where(done, y, np.nan)

    @cached_property
    def values(self) -> Numbers:
        """Every number that is ever in a cell."""
        values = np.unique(np.concatenate([self.wide.ravel(), self.narrow.ravel(), self.weight.ravel()]))
        return values[~np.isnan(values)]

    def calculation(self, step: int) -> Calculation:
        """The sum or the maximum of this step, or what it adds to the output of a transposed convolution."""
        values = [number(self.wide[step][cell]) for cell in self.operation.covered(step)]
        factors = [f"({number(weight)})" if weight < 0 else number(weight) for weight in self.weight.flat]
        one = number(self.narrow[step].flat[step])
        if self.operation.kind == "pool":
            return Calculation("max(", values, ", ", f") = {one}")
        if self.operation.kind == "conv":
            terms = [f"{value}*{factor}" for value, factor in zip(values, factors, strict=True)]
            return Calculation("", terms, " + ", f" = {one}")
        return Calculation("adds ", [f"{one}*{factor}" for factor in factors], ", ", self._overlap(step))

    def _overlap(self, step: int) -> str:
        """The sum in a cell where a transposed convolution adds to what an earlier step left, if there is one."""
        added = self.narrow[step].flat[step] * self.weight
        for cell, more in zip(self.operation.covered(step), added.flat, strict=True):
            kept = self.operation.roles[cell] != "cut off"
            if kept and more and self.operation.reached[cell] < step:
                before, after = (number(self.wide[moment][cell]) for moment in (step - 1, step))
                return f";  overlap: {before} {'-' if more < 0 else '+'} {number(abs(more))} = {after}"
        return ""

    def panels(self, step: int) -> list[Panel]:
        """The input, the window if it has numbers, and the output."""
        operation, transposed = self.operation, self.operation.kind == "transposed"
        covered, (H, W), (top, left) = operation.covered(step), operation.each("inner"), operation.each("P")
        notes, largest = [""] * len(covered), None
        if transposed:
            notes = [f"{more:+g}" for more in (self.narrow[step].flat[step] * self.weight + 0.0).flat]
        elif operation.kind == "conv":
            notes = [f"*{number(weight)}" for weight in self.weight.flat]
        else:
            largest = covered[int(np.argmax([self.wide[step][cell] for cell in covered]))]
        rows, columns = operation.each("wide")
        border = (
            "" if (rows, columns) == (H, W) else f", {'cut from' if transposed else 'padded to'} {rows} x {columns}"
        )
        name, other = ("output", "input") if transposed else ("input", "output")
        wide = Panel(
            name,
            title=f"{name} {H} x {W}{border}",
            values=self.wide[step],
            roles=operation.roles,
            map=(top, left, H, W),
            now=(*covered[0], *operation.each("span")),
            covered=dict(zip(covered, notes, strict=True)),
            largest=largest,
        )
        p, q = divmod(step, operation.axes[1].narrow)
        narrow = _plain(other, self.narrow[step], now=(p, q, 1, 1))
        window = [] if operation.kind == "pool" else [_plain("window", self.weight)]
        return [narrow, *window, wide] if transposed else [wide, *window, narrow]


def _plain(name: str, values: Numbers, now: Box | None = None) -> Panel:
    """A map without a border, over which no window walks."""
    H, W = values.shape
    return Panel(name, f"{name} {H} x {W}", values, np.full((H, W), name), (0, 0, H, W), now, {})


def _run(operation: Callable[..., Tensor], x: Numbers, *weight: Numbers, **sizes: Any) -> Numbers:
    """Maps (N, H, W) through an operation on one channel."""
    with no_grad():
        y = operation(Tensor(x[..., None]), *(Tensor(array[..., None, None]) for array in weight), **sizes)
    maps: Numbers = y.data[..., 0]
    return maps


def number(value: float) -> str:
    """A number as a viewer reads it, such as "-1"."""
    return f"{value + 0.0:g}"  # + 0.0 makes a 0 of -0
