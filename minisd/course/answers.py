"""What an answer makes of an exercise's cases, as plain data that can leave the process it was made in."""

from __future__ import annotations

import base64
import copy
import json
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

_PLAIN_TYPE = re.compile(r"[<>|=][biufcSU]\d+")  # of an array: no objects, whose bytes are addresses
_LONGEST = 2000  # letters of an error that are worth reading
Case = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """One case's result; or the error that came instead, with the answer's own line that raised it."""

    value: Any = None
    error: str | None = None
    written: bool = True  # no: the hole is as it was
    changed: tuple[int, ...] = ()  # the arguments that the answer wrote into


def try_on(cases: Iterable[Case], answer: Callable[..., Any], probe: Callable[..., Any] | None = None) -> list[Outcome]:
    """The outcomes of `answer` on each case: of ``probe(answer, *case)``, or of ``answer(*case)``. A case stays as it
    was: an answer gets copies. After a first unwritten one nothing more is tried."""
    outcomes: list[Outcome] = []
    for case in cases:
        outcomes.append(_try(case, answer, probe))
        if not outcomes[-1].written:
            break
    return outcomes


def _try(case: Case, answer: Callable[..., Any], probe: Callable[..., Any] | None) -> Outcome:
    own = copy.deepcopy(case)
    try:
        value = plain(probe(answer, *own) if probe else answer(*own))
    except NotImplementedError:
        return Outcome(written=False)
    except Exception as error:
        return Outcome(error=told(error))
    return Outcome(value, changed=tuple(i for i in range(len(case)) if not _equal(case[i], own[i])))


def plain(value: Any) -> Any:
    """The value as arrays, numbers, texts, lists and dicts; anything else by the name of its type."""
    match value:
        case np.ndarray() if value.dtype != object:
            return np.array(value)
        case None | bool() | int() | float() | str() | np.generic():
            return value
        case list() | tuple() | set() | frozenset():
            return [plain(part) for part in (sorted(value) if isinstance(value, set | frozenset) else value)]
        case dict():
            return {key if isinstance(key, str | int) else repr(key): plain(part) for key, part in value.items()}
    return Other(type(value).__name__)


@dataclass(frozen=True)
class Other:
    """Something that no result may be."""

    kind: str


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return not isinstance(a, str | int | float) or a == b


def told(error: BaseException) -> str:
    """The error, and the last line of the answer on the way to it."""
    here = str(Path(__file__).parent)
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(here)]
    line = f"line {theirs[0].lineno}, `{theirs[0].line}`: " if theirs and theirs[0].line else ""
    return f"{line}{type(error).__name__}: {error}"[:_LONGEST]


# ---- Plain data as text: JSON, with arrays as their bytes


def pack(outcomes: Sequence[Outcome]) -> str:
    return json.dumps([asdict(o) | {"value": _packed(o.value)} for o in outcomes])


def unpack(text: str) -> list[Outcome]:
    """What pack() wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        return [
            Outcome(_unpacked(o["value"]), o["error"], bool(o["written"]), tuple(o["changed"]))
            for o in json.loads(text)
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of outcomes: {error}") from error


def _packed(value: Any) -> Any:
    match value:
        case np.ndarray() | np.generic():
            array = np.ascontiguousarray(value)
            return {
                "array": base64.b64encode(array.tobytes()).decode(),
                "type": array.dtype.str,
                "shape": np.shape(value) if isinstance(value, np.ndarray) else None,
            }
        case list() | tuple():
            return [_packed(part) for part in value]
        case dict():
            return {"dict": [[key, _packed(part)] for key, part in value.items()]}
        case Other():
            return {"other": value.kind}
    return value


def _unpacked(value: Any) -> Any:
    match value:
        case {"array": text, "type": dtype, "shape": shape}:
            if not _PLAIN_TYPE.fullmatch(dtype):
                raise ValueError(f"no plain numbers: {dtype}")
            array = np.frombuffer(base64.b64decode(text), np.dtype(dtype))
            return array[0] if shape is None else array.reshape(shape).copy()
        case {"dict": pairs}:
            return {key: _unpacked(part) for key, part in pairs}
        case {"other": kind}:
            return Other(kind)
        case list():
            return [_unpacked(part) for part in value]
    return value


def pack_cases(cases: Sequence[Case]) -> str:
    return json.dumps([[_packed_case(part) for part in case] for case in cases])


def unpack_cases(text: str) -> list[Case]:
    return [tuple(_unpacked_case(part) for part in case) for case in json.loads(text)]


def _packed_case(value: Any) -> Any:
    """As a result; a tuple is told from a list besides, since a case's (3, 2) must stay one."""
    if isinstance(value, tuple):
        return {"tuple": [_packed_case(part) for part in value]}
    if isinstance(value, list):
        return [_packed_case(part) for part in value]
    return _packed(value)


def _unpacked_case(value: Any) -> Any:
    match value:
        case {"tuple": parts}:
            return tuple(_unpacked_case(part) for part in parts)
        case list():
            return [_unpacked_case(part) for part in value]
    return _unpacked(value)
