"""What there is to see of a window operation: which cells the window covers, and what every cell is.

Convolution, max-pooling and transposed convolution are one picture: a wide map that the window walks over, and a narrow
map with one cell for every place of the window. Cell (p, q) of the narrow map stands for the cells

    (p S + i D, q S + j D),    i < kh, j < kw,

of the wide one, whose border of P cells is the padding around an input, or what is cut off an output. A convolution and
a pooling read the wide map and write the narrow one; a transposed convolution reads the narrow and writes the wide
(Dumoulin & Visin 2016, chapters 2 to 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from minisd_kernels.arguments import Pair, pair
from minisd_kernels.shapes import ShapeError, effective_window, transposed_output_size, window_output_size
from numpy.typing import NDArray

from minisd.ops.convolution import Size

KINDS = {"conv": "convolution", "pool": "max-pooling", "transposed": "transposed convolution"}
LIMIT = 16  # cells along an axis: the numbers in more could not be read


class Axis(NamedTuple):
    """The sizes along one axis, under the letters of the formula."""

    kind: str
    I: int
    F: int
    S: int
    P: int
    D: int
    a: int

    @property
    def span(self) -> int:
        """What the window spans in the wide map, F_eff."""
        return effective_window(self.F, self.D)

    @property
    def output(self) -> int:
        """The output's size, O."""
        if self.kind == "transposed":
            return transposed_output_size(self.I, self.F, self.S, self.P, self.D, self.a)
        return window_output_size(self.I, self.F, self.S, self.P, self.D)

    @property
    def narrow(self) -> int:
        """The narrow map's size: the places of the window."""
        return self.I if self.kind == "transposed" else self.output

    @property
    def inner(self) -> int:
        """The wide map's size without its border."""
        return self.output if self.kind == "transposed" else self.I

    @property
    def wide(self) -> int:
        """The wide map's size with its border."""
        if self.kind == "transposed":  # output padding beyond the border adds rows that no window reaches
            return max(self.S * (self.I - 1) + self.span, self.P + self.output)
        return self.I + 2 * self.P

    @property
    def formula(self) -> str:
        """How the output's size comes about, in numbers."""
        span = f"F_eff = {self.D}*({self.F} - 1) + 1 = {self.span},  " if self.D > 1 else ""
        if self.kind == "transposed":
            return f"{span}O = {self.S}*({self.I} - 1) + {self.span} - 2*{self.P} + {self.a} = {self.output}"
        remainder = (self.wide - self.span) % self.S
        dropped = f"  (remainder {remainder}: never read)" if remainder else ""
        return f"{span}O = floor(({self.I} + 2*{self.P} - {self.span}) / {self.S}) + 1 = {self.output}{dropped}"


@dataclass(frozen=True)
class WindowOperation:
    """A window operation by its sizes, which are ints or pairs of height and width.

    Attributes:
        kind: "conv", "pool" or "transposed".
        size: of the input.
        stride: 1 unless given, a pooling's the window's size.

    Raises:
        ShapeError: the sizes do not fit each other, or are too large for a picture.

    >>> operation = WindowOperation("conv", (6, 5), window=3, stride=2)
    >>> operation.steps, operation.formulas[0]
    (4, 'height: O = floor((6 + 2*0 - 3) / 2) + 1 = 2  (remainder 1: never read)')
    >>> operation.covered(1)[0], operation.covered(1)[-1]
    ((0, 2), (2, 4))
    """

    kind: str
    size: Size
    window: Size
    stride: Size | None = None
    padding: Size = 0
    dilation: Size = 1
    output_padding: Size = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ShapeError(f"no window operation is called {self.kind!r}; choose one of {', '.join(KINDS)}")
        if self.kind == "pool" and self.each("D") != (1, 1):
            raise ShapeError(f"max-pooling has no dilation, got {self.dilation}; leave it at 1")
        if self.kind != "transposed" and self.each("a") != (0, 0):
            raise ShapeError(f"{self.name} has no output padding, got {self.output_padding}; leave it at 0")
        H, W = self.each("wide")
        if max(H, W) > LIMIT:
            what = "output, with what is cut off it," if self.kind == "transposed" else "padded input"
            raise ShapeError(
                f"{self.name}: the {what} has {H} x {W} cells, and the numbers in more than {LIMIT} x {LIMIT} could "
                "not be read in a picture; choose smaller sizes"
            )

    @cached_property
    def axes(self) -> tuple[Axis, Axis]:
        """Height and width."""
        stride = self.stride if self.stride is not None else self.window if self.kind == "pool" else 1
        pairs = (
            pair(self.size, f"{self.name} input"),
            pair(self.window, f"{self.name} window"),
            pair(stride, f"{self.name} stride"),
            pair(self.padding, f"{self.name} padding", 0),
            pair(self.dilation, f"{self.name} dilation"),
            pair(self.output_padding, f"{self.name} output padding", 0),
        )
        height, width = (Axis(self.kind, *sizes) for sizes in zip(*pairs, strict=True))
        return height, width

    def each(self, name: str) -> tuple[Any, Any]:
        """An attribute of both axes, by its name."""
        return getattr(self.axes[0], name), getattr(self.axes[1], name)

    @property
    def name(self) -> str:
        """What the operation is called."""
        return KINDS[self.kind]

    @property
    def letters(self) -> dict[str, str]:
        """What the letters stand for."""
        names = {"F": "window", "S": "stride", "P": "padding"}
        if self.kind != "pool":
            names["D"] = "dilation"
        if self.kind == "transposed":
            names["a"] = "output padding"
        return {"O": "output", "I": "input", **names}

    @property
    def title(self) -> str:
        """The operation and its sizes.

        >>> WindowOperation("conv", 7, window=3, stride=(2, 1), padding=1).title
        'convolution  F=3  S=2 x 1  P=1  D=1'
        """
        sizes = [(letter, *self.each(letter)) for letter in self.letters if letter not in "OI"]
        return "  ".join([self.name, *(f"{letter}={h}" if h == w else f"{letter}={h} x {w}" for letter, h, w in sizes)])

    @property
    def formula(self) -> str:
        """The output's size."""
        F = "F" if self.each("D") == (1, 1) else "F_eff"
        return f"O = S*(I - 1) + {F} - 2*P + a" if self.kind == "transposed" else f"O = floor((I + 2*P - {F}) / S) + 1"

    @property
    def formulas(self) -> list[str]:
        """The same with its numbers: once, or for each axis where they differ."""
        height, width = self.each("formula")
        return [height] if height == width else [f"height: {height}", f"width:  {width}"]

    @property
    def steps(self) -> int:
        """How many places the window has."""
        h, w = self.each("narrow")
        return int(h * w)

    def covered(self, step: int) -> list[Pair]:
        """The cells of the wide map under the window, row by row."""
        height, width = self.axes
        p, q = divmod(step, width.narrow)
        rows = [p * height.S + i * height.D for i in range(height.F)]
        columns = [q * width.S + j * width.D for j in range(width.F)]
        return [(row, column) for row in rows for column in columns]

    @cached_property
    def reached(self) -> NDArray[np.int64]:
        """For every cell of the wide map the first step that covers it; `steps` where none does."""
        first = np.full(self.each("wide"), self.steps)
        for step in reversed(range(self.steps)):
            first[tuple(zip(*self.covered(step), strict=True))] = step
        return first

    @cached_property
    def roles(self) -> NDArray[np.str_]:
        """What every cell of the wide map is: a key of the drawing's LOOKS.

        >>> print(WindowOperation("conv", 2, window=1, stride=2).roles[0])
        ['input' 'input, never read']
        """
        (H, W), (top, left), (below, right) = self.each("inner"), self.each("P"), self.each("a")
        never = self.reached == self.steps
        roles = np.full(self.each("wide"), "cut off" if self.kind == "transposed" else "padding", "U22")
        inside = slice(top, top + H), slice(left, left + W)
        if self.kind == "transposed":
            roles[inside] = np.where(never[inside], "output, never reached", "output")
            roles[inside][max(0, H - below) :] = "output padding"  # slices are views
            roles[inside][:, max(0, W - right) :] = "output padding"
        else:
            roles[inside] = "input"
            roles[never] = np.char.add(roles[never], ", never read")
        return roles
