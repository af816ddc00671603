"""What a row sees, against following every single row back through the chain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minisd_kernels.shapes import ReceptiveField
from strategies import few

Rows = frozenset[int]


class Link(NamedTuple):
    """One layer of a chain: how a receptive field passes it, and which rows of its input a row of its output reads."""

    name: str
    follow: Callable[[ReceptiveField], ReceptiveField]
    reads: Callable[[int], Rows]


KINDS = ("window", "transposed", "upsampling", "moved")


@st.composite
def links(draw: st.DrawFn) -> Link:
    window, stride, padding = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    return link(draw(st.sampled_from(KINDS)), window, stride, padding, draw(st.integers(1, 3)))


def link(kind: str, window: int, stride: int, padding: int, dilation: int) -> Link:
    if kind == "window":
        return Link(
            f"window {window} {stride} {padding} {dilation}",
            lambda field: field.through_window(window, stride, padding, dilation),
            lambda o: frozenset(o * stride - padding + dilation * tap for tap in range(window)),
        )
    if kind == "transposed":
        window = max(window, stride)  # else some rows see nothing
        return Link(
            f"transposed {window} {stride} {padding}",
            lambda field: field.through_transposed(window, stride, padding),
            # Row i of the input is spread over the rows S i - P to S i - P + F - 1 of the output.
            lambda o: frozenset(
                i for i in range(min(o, 0) - 9, max(o, 0) + 9) if 0 <= o - (stride * i - padding) < window
            ),
        )
    if kind == "upsampling":
        return Link(f"up {stride}", lambda field: field.through_upsampling(stride), lambda o: frozenset([o // stride]))
    return Link(f"moved {padding}", lambda field: field.moved(padding), lambda o: frozenset([o + padding]))


def seen(chain: list[Link], row: int) -> Rows:
    rows = frozenset([row])
    for link in reversed(chain):
        rows = frozenset().union(*(link.reads(o) for o in rows))
    return rows


def followed(chain: list[Link]) -> ReceptiveField:
    field = ReceptiveField.of_input()
    for link in chain:
        field = link.follow(field)
    return field


def test_every_short_chain() -> None:
    geometries = product((1, 2, 3), (1, 2, 3), (0, 1))
    every = [link(kind, *geometry, dilation=2) for geometry in geometries for kind in KINDS]
    every = list({one.name: one for one in every}.values())
    for chain in (list(pair) for pair in product(every, every)):
        field = followed(chain)
        for row in (-1, 0, 1, 5):
            rows = seen(chain, row)
            assert field.at(row) == (min(rows), max(rows)), [one.name for one in chain]
        assert field.size == max(max(rows) - min(rows) + 1 for rows in (seen(chain, o) for o in range(field.period)))


@given(st.lists(links(), max_size=4), st.integers(-5, 30))
@few
def test_first_and_last_row_seen(chain: list[Link], row: int) -> None:
    rows, field = seen(chain, row), followed(chain)
    assert field.at(row) == (min(rows), max(rows))
    assert field.centre(row) == (min(rows) + max(rows)) / 2
    assert field.at(row + field.period) == (min(rows) + field.shift, max(rows) + field.shift)


@given(st.lists(links(), max_size=4))
@few
def test_the_size_is_the_most_that_any_row_sees(chain: list[Link]) -> None:
    field = followed(chain)
    spans = [max(rows) - min(rows) + 1 for rows in (seen(chain, row) for row in range(field.period))]
    assert field.size == max(spans)


@given(st.lists(links(), max_size=3), links(), st.integers(-5, 20))
@few
def test_two_maps_together(chain: list[Link], branch: Link, row: int) -> None:
    one, other = followed(chain), followed([*chain, branch])
    if one.shift * other.period != other.shift * one.period:
        with pytest.raises(ValueError, match="do not match"):
            one.together(other)
    else:
        rows = seen(chain, row) | seen([*chain, branch], row)
        assert one.together(other).at(row) == (min(rows), max(rows))


def test_convolutions_and_poolings_of_the_paper() -> None:
    """The U-Net's lowest pixels see 140 x 140 pixels of the input, 16 apart."""
    field = ReceptiveField.of_input()
    for _ in range(4):
        field = field.through_window(3).through_window(3).through_window(2, stride=2)
    field = field.through_window(3).through_window(3)
    assert (field.size, field.stride, field.centre(0)) == (140, "16", 69.5)
    assert field.through_transposed(2, stride=2).stride == "8"
    assert ReceptiveField.of_input().through_upsampling(2).stride == "1/2"


def test_patterns_too_long_to_follow_are_refused() -> None:
    field = ReceptiveField.of_input()
    for _ in range(10):
        field = field.through_upsampling(2)
    with pytest.raises(ValueError, match="pattern of 2048 rows"):
        field.through_upsampling(2)
    with pytest.raises(ValueError, match="pattern of 1000000000 rows"):
        ReceptiveField.of_input().through_transposed(2, stride=10**9)
