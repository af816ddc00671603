"""Checks of kernel arguments: every message says where, what came and what was wanted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

import numpy as np

from minisd_kernels.devices import device_of
from minisd_kernels.shapes import ShapeError

Array = Any  # NumPy's, CuPy's or the emulator's
Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (top, bottom), (left, right)
Padding = int | Sequence[int | Sequence[int]]

_ONE_TYPE = {np.dtype(np.float32)}, {np.dtype(np.float64)}


def pair(value: int | Sequence[int], where: str, minimum: int = 1) -> Pair:
    """Read an int or a (vertical, horizontal) pair as a pair of ints >= `minimum`.

    >>> pair(2, "conv2d stride"), pair((1, 3), "conv2d stride")
    ((2, 2), (1, 3))
    """
    try:
        values = tuple(index(v) for v in (value if isinstance(value, Iterable) else (value, value)))
    except TypeError:  # a size of 1.5 is a mistake, not a 1
        values = ()
    if len(values) != 2 or min(values) < minimum:
        raise ShapeError(f"{where}: wanted an int or a pair of ints >= {minimum}, got {value!r}")
    return values[0], values[1]


def sides(value: Padding, where: str) -> Sides:
    """Read a padding: an int, or a (vertical, horizontal) pair, each an int for both sides or (before, after).

    >>> sides(1, "conv2d padding"), sides((0, (1, 2)), "conv2d padding")
    (((1, 1), (1, 1)), ((0, 0), (1, 2)))
    """
    axes = tuple(value) if isinstance(value, Iterable) else (value, value)
    if len(axes) != 2:
        raise ShapeError(
            f"{where}: wanted an int, (vertical, horizontal) or ((top, bottom), (left, right)), got {value!r}"
        )
    return pair(axes[0], where, 0), pair(axes[1], where, 0)


def geometry(
    where: str, stride: int | Sequence[int], padding: Padding, dilation: int | Sequence[int]
) -> tuple[Pair, Sides, Pair]:
    """Read what both convolutions take."""
    return pair(stride, f"{where} stride"), sides(padding, f"{where} padding"), pair(dilation, f"{where} dilation")


def require_shape(where: str, array: Any, letters: str, shape: Sequence[int | None]) -> None:
    """Demand that `array` has `shape`; None matches any size.

    `letters` names the axes in the message: require_shape("conv2d bias", bias, "(O,)", (32,)).
    """
    got = tuple(array.shape)
    if len(got) != len(shape) or any(want is not None and want != has for want, has in zip(shape, got, strict=True)):
        wanted = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
        raise ShapeError(f"{where}: wanted shape {letters} = {wanted}, got {got}")


def require_float(where: str, *arrays: Any) -> None:
    """Demand one floating type, float32 or float64, for all arrays, and one device; the last may be None, no bias."""
    if arrays[-1] is None:
        arrays = arrays[:-1]
    if len(set(map(type, arrays))) > 1 and len(devices := sorted({device_of(array) for array in arrays})) > 1:
        raise TypeError(f"{where}: its arrays live on {' and '.join(devices)}; move them to one device with to_device")
    if strangers := [type(array).__name__ for array in arrays if not hasattr(array, "dtype")]:
        raise TypeError(f"{where}: wanted arrays, got {', '.join(strangers)}; use np.asarray(..., np.float32)")
    if {array.dtype for array in arrays} not in _ONE_TYPE:  # in another order of bytes, a float32 is another type
        got = ", ".join(sorted({str(array.dtype) for array in arrays}))
        raise TypeError(f"{where}: wanted all float32 or all float64, got {got}; use .astype(...)")


def require_eps(where: str, eps: float) -> None:
    """Raises ValueError unless `eps` can be added to a variance."""
    if not 0 <= eps < math.inf:
        raise ValueError(f"{where}: eps is added to a variance; wanted a number from 0 up, got {eps}")
