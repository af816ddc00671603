"""Plans of so many steps: made from the time, made again while it goes, and repeated as they were written down."""

from __future__ import annotations

import pytest

from minisd.checkpoint import CheckpointError
from minisd.train.plan import Plan, read_totals


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_number_of_steps_is_kept_to_whatever_the_clock_says() -> None:
    clock = Clock()
    plan = Plan({0: 7}, clock=clock)
    for n in range(30):
        clock.now += 1000
        assert plan.total(n) == max(7, n)
    assert plan.seconds_left() is None


def test_the_plan_follows_the_speed_and_is_written_down() -> None:
    """100 seconds: at 0.1 s a step 95 s give 950 steps; from step 300 on each takes twice as long."""
    clock, totals, written = Clock(), {}, []
    plan = Plan(totals, 100, lambda: written.append(dict(totals)), clock)
    n = 0
    while (total := plan.total(n)) is None or n < total:
        clock.now += 5 if n < 2 else 0.1 if n < 300 else 0.2  # the first two compile
        n += 1
    assert min(totals) == 10 and totals[10] == 10 + int((95 - 10.8) / 0.1)
    assert 93 < clock.now - 100 < 97
    assert 5 <= len(totals) <= 9 and written[-1] == totals == dict(sorted(totals.items()))
    slower = Plan(dict(totals), clock=Clock())
    assert slower.total(n) == n and slower.total(299) == totals[max(at for at in totals if at <= 299)]


def test_who_goes_on_repeats_what_is_written_and_plans_again_only_behind_it() -> None:
    clock, totals = Clock(), {10: 900, 200: 500}
    plan = Plan(totals, 50, clock=clock)
    seen = {}
    for n in range(150, 260):
        seen[n] = plan.total(n)
        clock.now += 0.5
    assert {seen[n] for n in range(150, 200)} == {900} and seen[200] == 500
    assert sorted(totals)[:2] == [10, 200] and sorted(totals)[2] > 200 and seen[259] < 500


def test_when_the_time_is_over_no_step_follows() -> None:
    clock = Clock()
    plan = Plan(None, 5, clock=clock)
    for n in range(10):
        assert plan.total(n) is None
        clock.now += 1
    assert plan.total(10) == 10 and plan.seconds_left() == 0


def test_time_left_is_known_from_the_start() -> None:
    clock = Clock()
    plan = Plan(None, 60, clock=clock)
    clock.now += 12
    assert plan.seconds_left() == 48


def test_plans_are_read_as_they_were_written() -> None:
    assert read_totals([[10, 300], [90, 200]], "here") == {10: 300, 90: 200}
    assert read_totals(900, "here") == {0: 900}
    for damaged in (None, "900", True, -3, [[1]], [[1, 2.0]], [["1", 2]], [[1, True]], {"0": 9}):
        with pytest.raises(CheckpointError, match=r"^here is "):
            read_totals(damaged, "here")
