"""An array's axes, each as what it is made of: height, width and channels of the picture.

ONNX has its maps as (N, C, H, W); a file may turn them to (N, H, W, C), fold them, as a group norm does,
(N, C, H, W) -> (N, groups, C / groups H W), cut them into windows, or lay their pixels in a row, (N, H W, C). Layers
do not care: they know height, width and channels. So an axis is a row of factors, each a letter and a size, the
slowest first; an axis of length 1 has none. The letters are N, C, H and W, and L for what is none of them, as the
pixels that an attention attends to.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from minisd.shapes.report.layers import Map

Axis = tuple[tuple[str, int], ...]
Axes = tuple[Axis, ...]
Shape = tuple[int, ...]


def axes_of(letters: str, shape: Sequence[int]) -> Axes:
    """Axes that are one letter each.

    >>> axes_of("NCHW", (1, 3, 5, 7))
    ((), (('C', 3),), (('H', 5),), (('W', 7),))
    """
    return tuple(((letter, size),) if size != 1 else () for letter, size in zip(letters, shape, strict=True))


def shape_of(axes: Axes) -> Shape:
    return tuple(prod(size for _, size in axis) for axis in axes)


def letters_of(axis: Axis) -> str:
    """Its letters, each once.

    >>> letters_of((("C", 4), ("H", 5), ("W", 7)))
    'CHW'
    """
    return "".join(dict.fromkeys(letter for letter, _ in axis))


def layout_of(axes: Axes) -> str:
    """The letters of a picture's or a vector's axes; empty where the array is neither.

    >>> [layout_of(axes) for axes in (axes_of("NHWC", (1, 5, 7, 3)), axes_of("NCHW", (2, 3, 1, 1)), ((), (("L", 9),)))]
    ['NHWC', 'NCHW', '']
    """
    for layout in ("NCHW", "NHWC", "NC", "N", "C"):
        if len(axes) == len(layout) and all(
            letters_of(axis) in ("", letter) for axis, letter in zip(axes, layout, strict=True)
        ):
            return layout
    return ""


def map_of(axes: Axes) -> Map | None:
    """The picture whose numbers lie in the array in whatever order; None where there is more, or else, in it."""
    counts = dict.fromkeys("NCHWL", 1)
    for letter, size in (factor for axis in axes for factor in axis):
        counts[letter] *= size
    return Map(counts["H"], counts["W"], counts["C"]) if counts["L"] == 1 else None


def regrouped(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """The axes behind a reshape; None where it parts a factor unevenly.

    >>> regrouped(axes_of("NCHW", (1, 8, 5, 5)), (1, 2, 100))
    ((), (('C', 2),), (('C', 4), ('H', 5), ('W', 5)))
    """
    factors = [factor for axis in axes for factor in axis]
    out: list[Axis] = []
    for left in shape:
        axis: list[tuple[str, int]] = []
        while left > 1:
            letter, size = factors.pop(0) if factors else ("", 0)
            if size and size % left == 0 and size > left:
                factors.insert(0, (letter, size // left))
                size = left
            if not size or left % size:
                return None
            left //= size
            if axis and axis[-1][0] == letter:
                size *= axis.pop()[1]
            axis.append((letter, size))
        out.append(tuple(axis))
    return None if factors else tuple(out)


def together(operands: Sequence[Axes], rank: int) -> Axes | None:
    """The axes of arrays that meet number by number, their last axes side by side; None where they are not the same.

    >>> together([axes_of("NCHW", (1, 8, 5, 5)), axes_of("NCHW", (1, 8, 1, 1)), ()], 4) == axes_of("NCHW", (1, 8, 5, 5))
    True
    """
    out: list[Axis] = []
    for place in range(-rank, 0):
        found = {axes[place] for axes in operands if len(axes) >= -place and axes[place]}
        if len(found) > 1:
            return None
        out.append(found.pop() if found else ())
    return tuple(out)


def resized(axes: Axes, shape: Sequence[int]) -> Axes:
    """Axes cut, padded, repeated or stretched to other sizes: of the same letters where they have one alone each.

    >>> resized(axes_of("NCHW", (1, 1, 5, 5)), (1, 3, 4, 5))
    ((), (('C', 3),), (('H', 4),), (('W', 5),))
    """
    layout, out = layout_of(axes), list(axes)
    for place, (before, size) in enumerate(zip(shape_of(axes), shape, strict=True)):
        if before != size:
            letter = layout[place] if layout else letters_of(axes[place])
            out[place] = ((letter if len(letter) == 1 else "L", size),) if size != 1 else ()
    return tuple(out)
