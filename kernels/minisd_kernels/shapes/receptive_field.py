"""Which input rows an output row sees, through a chain of layers (Araujo, Norris & Sim 2019)."""

from __future__ import annotations

from math import gcd, lcm
from typing import NamedTuple

from minisd_kernels.shapes.window import Padding, effective_window

_LONGEST_PERIOD = 1024  # of a pattern that anyone reads; doublings could make it longer than memory


class ReceptiveField(NamedTuple):
    """The input rows that each row of a map sees, along one axis.

    Row o sees the input rows first..last, counted from the input's first row; rows below 0 or behind the end are
    padding. Going `period` rows on in the map goes `shift` rows on in the input, so one period says everything:
    behind convolutions and poolings alone the period is 1 and the shift is the product of the strides; behind
    transposed convolutions neighbouring rows see different numbers of input rows.

    A chain is followed from the input on:

    >>> field = ReceptiveField.of_input()
    >>> for _ in range(2):
    ...     field = field.through_window(3).through_window(3).through_window(2, stride=2)
    >>> field.size, field.stride, field.centre(0)
    (16, '4', 7.5)

    Attributes:
        period: after so many rows of the map the pattern repeats.
        shift: input rows from one period to the next.
        rows: (first, last) of the rows 0..period-1.
    """

    period: int
    shift: int
    rows: tuple[tuple[int, int], ...]

    @classmethod
    def of_input(cls) -> ReceptiveField:
        """Every row of the input sees itself."""
        return cls(1, 1, ((0, 0),))

    def at(self, row: int) -> tuple[int, int]:
        """First and last input row that this row sees; the last is smaller than the first where it sees none."""
        periods, phase = divmod(row, self.period)
        first, last = self.rows[phase]
        return first + periods * self.shift, last + periods * self.shift

    @property
    def size(self) -> int:
        """Input rows seen; the most of any row where they differ."""
        return max(0, *(last - first + 1 for first, last in self.rows))

    @property
    def stride(self) -> str:
        """Input rows from one row of the map to the next: a whole number, or a fraction such as 1/2."""
        divisor = gcd(self.shift, self.period)
        over, under = self.shift // divisor, self.period // divisor
        return str(over) if under == 1 else f"{over}/{under}"

    def centre(self, row: int) -> float:
        """The middle of what a row sees: a whole number, or a half between two rows."""
        first, last = self.at(row)
        return (first + last) / 2

    def through_window(self, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1) -> ReceptiveField:
        """Behind a convolution or a pooling: row o reads `span` rows, from stride o - padding on."""
        before = padding if isinstance(padding, int) else padding[0]
        reach = effective_window(window, dilation) - 1
        common = gcd(self.period, stride)
        starts = [o * stride - before for o in range(self.period // common)]
        rows = tuple((self.at(start)[0], self.at(start + reach)[1]) for start in starts)
        return ReceptiveField(self.period // common, self.shift * (stride // common), rows)

    def through_transposed(
        self, window: int, stride: int = 1, padding: Padding = 0, dilation: int = 1
    ) -> ReceptiveField:
        """Behind a transposed convolution: the rows that reach row o.

        They are ceil((o + padding - span + 1) / stride) to floor((o + padding) / stride). Of a dilated window's
        gaps nothing is known here: rows that it steps over count as seen.

        Raises:
            ValueError: the pattern repeats after more than 1024 rows only.
        """
        _check_period(self.period * stride)
        before = padding if isinstance(padding, int) else padding[0]
        reach = effective_window(window, dilation) - 1
        ends = [(-((reach - o - before) // stride), (o + before) // stride) for o in range(self.period * stride)]
        rows = tuple((self.at(first)[0], self.at(last)[1]) for first, last in ends)
        return ReceptiveField(self.period * stride, self.shift, rows)

    def through_upsampling(self, scale: int) -> ReceptiveField:
        """Behind an upsampling that repeats rows: row o is row floor(o / scale)."""
        return self.through_transposed(scale, stride=scale)

    def moved(self, rows: int) -> ReceptiveField:
        """Behind a crop of so many rows before the rest, or a padding of -rows."""
        return self._over(self.period, rows)

    def together(self, other: ReceptiveField) -> ReceptiveField:
        """Of two maps laid side by side or added: both ranges, and what lies between.

        Raises:
            ValueError: the two maps' rows lie differently far apart in the input, so that no row of one belongs to
                a row of the other; or the pattern repeats after more than 1024 rows only.
        """
        if self.shift * other.period != other.shift * self.period:
            raise ValueError(f"maps whose rows are {self.stride} and {other.stride} input rows apart do not match")
        period = lcm(self.period, other.period)
        _check_period(period)
        pairs = zip(self._over(period).rows, other._over(period).rows, strict=True)
        rows = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in pairs)
        return ReceptiveField(period, self.shift * (period // self.period), rows)

    def _over(self, period: int, start: int = 0) -> ReceptiveField:
        """The same from row `start` on, written for a multiple of the period."""
        rows = tuple(self.at(start + o) for o in range(period))
        return ReceptiveField(period, self.shift * (period // self.period), rows)


def _check_period(period: int) -> None:
    if period > _LONGEST_PERIOD:
        raise ValueError(f"rows see the input in a pattern of {period} rows; at most {_LONGEST_PERIOD} are followed")
