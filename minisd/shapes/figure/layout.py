"""Where the boxes and arrows of a network's figure stand, in inches from the lower left corner.

A box is as high as its map, to scale, and each scale has a level of its own: poolings and strides lead down,
up-convolutions up, all else to the right. A level's boxes have their middles on one line, as crops cut around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Literal, NamedTuple

from minisd.shapes.figure.parts import Arrow, Box

LETTERS = 13  # their size in points
LETTER = 0.0094 * LETTERS  # a letter's width, at most
LINE = 0.0175 * LETTERS
GAP = 0.6  # between boxes side by side, for an arrow and a size
_BETWEEN_LEVELS = 0.55
_LANE = 0.26  # between arrows that pass over boxes
_LOWEST = 0.06  # a lower box could not be seen

Point = tuple[float, float]


@dataclass
class Place:
    """Where a box stands; `widths` of its parts: the copies, and what was made here, last or first."""

    level: int
    widths: list[float]
    own_first: bool
    height: float = 0.3  # where it is not known
    left: float = 0.0
    middle: float = 0.0

    @property
    def right(self) -> float:
        return self.left + sum(self.widths)

    @property
    def top(self) -> float:
        return self.middle + self.height / 2

    @property
    def bottom(self) -> float:
        return self.middle - self.height / 2

    @property
    def over_label(self) -> float:
        """Over the number of channels: there arrows end and begin."""
        return self.top + LINE + 0.03

    @property
    def exit(self) -> float:
        """Where arrows up, down and over other boxes begin: the middle of the last part."""
        return self.right - self.widths[-1] / 2

    def centre(self, part: int = -1) -> float:
        """Middle of the copy of this number; -1 is what was made here."""
        i = (part + self.own_first) % len(self.widths)
        return self.left + sum(self.widths[:i]) + self.widths[i] / 2


class Route(NamedTuple):
    """The corners of an arrow, and where its text stands: over a point, turned upright over it, or right of it."""

    points: list[Point]
    text_at: Point
    text_is: Literal["over", "upright", "right"]


class Layout(NamedTuple):
    places: list[Place]
    routes: list[Route]
    width: float
    height: float
    inches_per_row: float


def lay_out(boxes: list[Box], arrows: list[Arrow], before: float, behind: Point) -> Layout:
    """Give everything a place; `before` inches are kept free at the left, and behind the last box width x height."""
    scales = sorted({box.scale for box in boxes})
    # A map from below or above meets its copy, which comes from the left, on the right; one from the left before it.
    sideways = {
        arrow.target for arrow in arrows if arrow.main and boxes[arrow.source].scale == boxes[arrow.target].scale
    }
    places = [Place(scales.index(box.scale), _widths(box, i in sideways), i in sideways) for i, box in enumerate(boxes)]
    texts_end = _go_across(places, arrows, before)
    width = max(places[-1].right + behind[0], texts_end, *(place.right + GAP for place in places))
    inches_per_row = min(3.2, max(1.2, width / 5)) / max(box.size.height for box in boxes if box.size)
    for place, box in zip(places, boxes, strict=True):
        if box.size:
            place.height = max(_LOWEST, inches_per_row * box.size.height)

    lanes = _lanes(places, arrows)
    bottom, above, notes = LINE, [0.0] * len(scales), [0.0] * len(scales)
    for level in reversed(range(len(scales))):
        on_it = [(place, box) for place, box in zip(places, boxes, strict=True) if place.level == level]
        halves = [place.height / 2 for place, _ in on_it]
        if places[-1].level == level:
            halves.append(behind[1] / 2)
        beside = [arrow for arrow in arrows if places[arrow.source].level == places[arrow.target].level == level]
        upright = [LETTER * len(arrow.text) + 0.1 for arrow in beside if arrow.main]
        high = max([max(halves) + LINE + 0.05, *upright])
        low = max(max(halves), *(side_height(side_text(box)) + 0.11 for _, box in on_it))
        for place, _ in on_it:
            place.middle = bottom + low
        above[level] = bottom + low + high + 0.17
        count = 1 + max((lanes[i] for i in lanes if places[arrows[i].source].level == level), default=-1)
        bottom = above[level] + _LANE * count + _BETWEEN_LEVELS
        notes[level] = bottom - _BETWEEN_LEVELS / 2
    routes = []
    for i, arrow in enumerate(arrows):
        if i in lanes:
            higher = [arrows[j] for j in lanes if lanes[j] > lanes[i]]
            lane = above[places[arrow.source].level] + _LANE * lanes[i]
            routes.append(_route_over(places, arrow, lane, higher, notes))
        else:
            routes.append(_route(places, arrow, notes))
    return Layout(places, routes, width, bottom - _BETWEEN_LEVELS + 0.1, inches_per_row)


def side_text(box: Box) -> str:
    """A map's height, and its width where it is another."""
    if box.size is None:
        return ""
    height, width, _ = box.size
    return str(height) if height == width else f"{height} x {width}"


def side_height(text: str) -> float:
    """What a box's side text takes of the height: short ones lie, long ones stand."""
    return LINE if len(text) <= 2 else LETTER * len(text)


def _widths(box: Box, own_first: bool) -> list[float]:
    own = (box.size.channels if box.size else 1) - sum(box.copies)
    counts = [own, *box.copies] if own_first else [*box.copies, own]
    return [0.08 + 0.03 * log2(count) for count in counts]


def _go_across(places: list[Place], arrows: list[Arrow], start: float) -> float:
    """From left to right: beside the box before, or right under or over it where the level changes.

    Returns where the last text between levels ends.
    """
    ends = [-GAP] * (1 + max(place.level for place in places))  # of what stands on a level
    notes = [0.0] * len(ends)  # ends of what is written over a level
    for i, place in enumerate(places):
        level, previous = place.level, places[max(0, i - 1)]
        into = [(places[arrow.source], arrow) for arrow in arrows if arrow.target == i]
        place.left = ends[level] + GAP
        if previous.level == level:
            place.left = max(place.left, previous.right + GAP) if i else start
        else:
            passed = range(min(level, previous.level) + 1, max(level, previous.level))
            centre = max([previous.exit, *(ends[other] + 0.1 for other in passed)])
            place.left += max(0, centre - place.centre())
        for source, arrow in into:
            if source.level != level:
                place.left += max(0, notes[max(source.level, level)] - place.centre(arrow.part))
            elif arrow.source < i - 1:  # the text stands between the two
                place.left = max(place.left, source.right + LETTER * len(arrow.text) + 0.3)
        ends[level] = place.right
        for source, arrow in into:
            if source.level != level:
                ends[source.level] = max(ends[source.level], place.centre())
                longest = max(map(len, (arrow.text, *arrow.losses)))
                notes[max(source.level, level)] = place.centre(arrow.part) + LETTER * longest + 0.2
    return max(notes)


def _is_direct(places: list[Place], arrows: list[Arrow], arrow: Arrow) -> bool:
    """Whether an arrow can go straight to the right, and then straight up or down: nothing is in its way."""
    source, target = places[arrow.source], places[arrow.target]
    same = source.level == target.level
    end = target.left if same else target.centre(arrow.part)
    free = not any(place.level == source.level and source.right <= place.left < end - 1e-9 for place in places)
    used = any(other.main and other.source == arrow.source and other.target == arrow.target for other in arrows)
    return free and (arrow.main or not used)


def _lanes(places: list[Place], arrows: list[Arrow]) -> dict[int, int]:
    """Arrows that pass over boxes, by number, each with its lane: the short ones below."""
    lanes: dict[int, int] = {}
    over = [i for i, arrow in enumerate(arrows) if not _is_direct(places, arrows, arrow)]

    def ends(i: int) -> tuple[int, float, float]:
        source, target = places[arrows[i].source], places[arrows[i].target]
        return source.level, source.exit, target.centre(arrows[i].part)

    for i in sorted(over, key=lambda i: ends(i)[2] - ends(i)[1]):
        level, left, right = ends(i)
        taken = {lanes[j] for j in lanes if ends(j)[0] == level and ends(j)[1] < right and left < ends(j)[2]}
        lanes[i] = min(set(range(len(lanes) + 1)) - taken)
    return lanes


def _route_over(places: list[Place], arrow: Arrow, lane: float, higher: list[Arrow], notes: list[float]) -> Route:
    """Up, along a lane, and down or further up, apart from other arrows that begin or end at the same boxes."""
    source, target = places[arrow.source], places[arrow.target]
    begin = source.exit + 0.1 + 0.08 * sum(other.source == arrow.source for other in higher)
    alike = sum((other.target, other.part) == (arrow.target, arrow.part) for other in higher)
    end = target.centre(arrow.part) - 0.1 - 0.08 * alike
    points = [(begin, source.over_label), (begin, lane), (end, lane), (end, _landing(source, target))]
    if source.level == target.level:
        return Route(points, ((begin + end) / 2, lane), "over")
    return Route(points, (end + 0.08, notes[max(source.level, target.level)]), "right")


def _route(places: list[Place], arrow: Arrow, notes: list[float]) -> Route:
    """To the right, and up or down."""
    source, target = places[arrow.source], places[arrow.target]
    x, y = target.centre(arrow.part), source.middle
    if source.level == target.level:
        points = [(source.right, y), (target.left, y)]
        if arrow.main:
            return Route(points, (target.left - GAP / 2, y), "upright")
        return Route(points, ((source.right + target.left) / 2, y), "over")
    points = [(source.right, y), (x, y), (x, _landing(source, target))]
    if abs(x - source.exit) < 1e-6:
        points = [(x, source.bottom if target.level > source.level else source.over_label), points[-1]]
    return Route(points, (x + 0.08, notes[max(source.level, target.level)]), "right")


def _landing(source: Place, target: Place) -> float:
    return target.over_label if target.level >= source.level else target.bottom
