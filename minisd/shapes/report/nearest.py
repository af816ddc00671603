"""The inputs next to a given one that a network does fit."""

from __future__ import annotations

from minisd_kernels.shapes import ShapeError

from minisd.shapes.report.layers import AXES, Map
from minisd.shapes.report.network import Network
from minisd.shapes.report.sums import LARGEST_SIZE, Report

_PATIENCE = 100_000  # layers tried in all


def nearest_inputs(report: Report) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Heights, and widths, next to the input's that do better.

    Where sizes part, better are those with which they meet; otherwise those with which no layer leaves rows unread.
    At most one below and one above are given: none along an axis where the input's own size is good already, where the
    search, outwards from it, finds nothing in reasonable time, or where the network holds for one size only.

    >>> from minisd.shapes.report.sums import examine
    >>> from minisd.shapes.report.text import parse
    >>> nearest_inputs(examine(parse("24x23x1 @a pool2 up2 concat@a")))
    ((), (22, 24))
    """
    network, exactly = report.network, report.problem is None
    trials = max(1, _PATIENCE // (4 * max(1, len(network.steps))))

    def good(axis: int, size: int) -> bool:
        unread = _unread_along(network, axis, size)
        return unread == 0 if exactly else unread is not None

    def along(axis: int) -> tuple[int, ...]:
        size = network.input[axis]
        if network.one_size or good(axis, size):
            return ()
        below, above = range(size - 1, max(0, size - 1 - trials), -1), range(size + 1, size + 1 + trials)
        found = (
            next((n for n in side if good(axis, n) and _channels_fit(network, axis, n)), None)
            for side in (below, above)
        )
        return tuple(n for n in found if n is not None)

    return along(0), along(1)


def _unread_along(network: Network, axis: int, size: int) -> int | None:
    """The sum of unread rows along one axis for an input of `size`; None where a layer fails."""
    sizes: list[int | None] = [size]
    unread = 0
    for step in network.steps:
        inputs = [known for i in step.inputs if (known := sizes[i]) is not None]
        if step.layer is None or len(inputs) < len(step.inputs):
            sizes.append(None)
            continue
        try:
            out = step.layer.size(axis, inputs)
            unread += step.layer.unread(axis, inputs)
        except ShapeError:
            return None
        if out > LARGEST_SIZE:
            return None
        sizes.append(out)
    return unread


def _channels_fit(network: Network, axis: int, size: int) -> bool:
    """Whether an input changed along this axis gives every layer channels that it takes.

    A flattened map's channels follow from its size. Behind a layer that fails along the other axis nothing is known.
    """
    changed = network.input._replace(**{AXES[axis]: size})
    maps: list[Map | None] = [changed]
    for step in network.steps:
        inputs = [map for i in step.inputs if (map := maps[i]) is not None]
        known = step.layer is not None and len(inputs) == len(step.inputs)
        maps.append(None)
        if step.layer is None or not known:
            continue
        try:
            sizes = [step.layer.size(along, [map[along] for map in inputs]) for along in (0, 1)]
        except ShapeError:
            continue
        try:
            maps[-1] = Map(sizes[0], sizes[1], step.layer.channels(inputs))
        except ShapeError:
            return False
    return True
