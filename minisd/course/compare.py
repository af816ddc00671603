"""Two results side by side: whether they are the same, and if not, by what rule they differ.

A result is an array, a number, a text, None, or a list, tuple or dict of such. Numbers agree when they differ by less
than the tolerance times the largest of the array that they stand in: rounding grows with the numbers that were summed,
not with the sum. A float may come in any float type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minisd.course.answers import Other

_SMALL = 1e-4  # what was summed up to a 0 was hardly smaller
TOLERANCE = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 1e-3}


def difference(got: Any, wanted: Any, tolerance: float, where: str = "the result") -> str | None:
    """What is wrong with `got`, in a sentence or two; None if nothing is."""
    said = next(_differences(got, wanted, tolerance, where), None)
    return f"{said} (is a return missing?)" if said and got is None else said


def _differences(got: Any, wanted: Any, tolerance: float, where: str) -> Iterator[str]:
    if wanted is None or isinstance(wanted, str | bytes | bool):
        if type(got) is not type(wanted) and not isinstance(got, np.bool_):
            yield f"{where} is {_kind(got)}; {_kind(wanted)} is wanted"
        elif got != wanted:
            yield f"{where} is {got!r}; wanted is {wanted!r}"
    elif isinstance(wanted, dict):
        if not isinstance(got, dict):
            yield f"{where} is {_kind(got)}; {_kind(wanted)} is wanted"
        elif got.keys() != wanted.keys():
            yield f"{where} has {_listed(got)}; wanted are {_listed(wanted)}"
        else:
            for key in wanted:
                yield from _differences(got[key], wanted[key], tolerance, f"{where}[{key!r}]")
    elif isinstance(wanted, list | tuple):
        if not isinstance(got, list | tuple):
            yield f"{where} is {_kind(got)}; {_kind(wanted)} is wanted"
        elif len(got) != len(wanted):
            yield f"{where} has {len(got)} parts; {len(wanted)} are wanted"
        else:
            for place, (one, other) in enumerate(zip(got, wanted, strict=True)):
                yield from _differences(one, other, tolerance, f"{where}[{place}]")
    else:
        yield from _in_numbers(got, wanted, tolerance, where)


def _in_numbers(got: Any, wanted: Any, tolerance: float, where: str) -> Iterator[str]:
    if not isinstance(got, np.ndarray | np.generic | int | float | list | tuple) or isinstance(got, bool):
        yield f"{where} is {_kind(got)}; {_kind(wanted)} is wanted"
        return
    try:
        got, wanted = np.asarray(got), np.asarray(wanted)
    except ValueError:  # a ragged list
        yield f"{where} is a list whose parts have unequal lengths; {_kind(wanted)} is wanted"
        return
    if not (np.issubdtype(got.dtype, np.number) or got.dtype == bool):
        yield f"{where} holds {got.dtype}; numbers are wanted"
    elif got.shape != wanted.shape:
        yield f"{where} has the shape {got.shape}; {wanted.shape} is wanted{_by_shape(got, wanted)}"
    elif np.issubdtype(wanted.dtype, np.integer) and got.dtype != bool and not np.issubdtype(got.dtype, np.integer):
        yield f"{where} holds {got.dtype}; whole numbers are wanted"
    elif (np.isfinite(got) != np.isfinite(wanted)).any():
        yield f"{where} has {int((~np.isfinite(got)).sum())} numbers that are infinite or not a number"
    elif wanted.size:
        with np.errstate(invalid="ignore"):
            off = np.abs(got.astype(np.complex128) - wanted)
            bound = tolerance * max(_SMALL, float(np.abs(np.where(np.isfinite(wanted), wanted, 0)).max()))
            bad = ~(off <= bound) & ~(got == wanted) & ~(np.isnan(got) & np.isnan(wanted))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            place = f"{where}{list(at) if at else ''}"
            many = f"; {int(bad.sum())} of {bad.size} numbers differ" if bad.size > 1 else ""
            numbers = f"{place} is {got[at] + 0.0:.6g}; wanted is {wanted[at] + 0.0:.6g}"
            yield f"{numbers}{many}{_by_rule(got, wanted, bound)}"


def _by_shape(got: Any, wanted: Any) -> str:
    if got.ndim > 1 and sorted(got.shape) == sorted(wanted.shape):
        return ": the axes stand in another order"
    if got.size == wanted.size:
        return ": as many numbers, so a reshape is missing"
    return ""


def _by_rule(got: Any, wanted: Any, bound: float) -> str:
    """A simple rule that leads from what is wanted to what came, where there is one."""
    if np.issubdtype(got.dtype, np.complexfloating) or not np.isfinite(wanted).all() or wanted.size < 2:
        return ""
    got, wanted = got.astype(float), wanted.astype(float)

    def near(a: Any, b: Any) -> bool:
        return bool((np.abs(a - b) <= 2 * bound).all())

    if not got.any():
        return ". All of yours are zero"
    if not wanted.any():
        return ". All should be zero"
    if near(got, -wanted):
        return ". The sign is the other one"
    large = np.abs(wanted).argmax()
    if (factor := got.flat[large] / wanted.flat[large]) and near(got / factor, wanted):
        return f". All are {factor:.6g} times what is wanted: a factor"
    if near(got - got.mean(), wanted - wanted.mean()):
        return f". All are {float((got - wanted).mean()):.6g} more than wanted: something is added"
    for axis in range(got.ndim):
        if got.shape[axis] > 1 and near(np.flip(got, axis), wanted):
            return f". Along axis {axis} they stand in the opposite order"
    for a in range(got.ndim):
        for b in range(a):
            if got.shape[a] == got.shape[b] > 1 and near(np.swapaxes(got, a, b), wanted):
                return f". Axes {b} and {a} are exchanged"
    return ""


def _kind(value: Any) -> str:
    match value:
        case None:
            return "None"
        case np.ndarray():
            return f"an array of the shape {value.shape}"
        case bool() | np.bool_():
            return f"{bool(value)}"
        case int() | float() | np.number():
            return f"the number {value:.6g}"
        case str():
            return f"the text {value!r}"
        case list() | tuple() | dict():
            return f"a {type(value).__name__} of {len(value)}"
        case Other():
            return f"a {value.kind}"
    return f"a {type(value).__name__}"


def _listed(values: dict[Any, Any]) -> str:
    return ", ".join(map(repr, values)) or "nothing"
