"""What any configuration can demand of its fields; it can come from a file, and no file is trusted.

Each check raises a ValueError that names the field, what came and what was wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

MOST = 1 << 20  # of anything that a configuration counts: beyond it a damaged file asks for all memory


def check(config: object, name: str, wanted: str, good: Callable[[Any], bool]) -> None:
    """Demand what `good` says of the field `name`; `wanted` says it in words."""
    if not good(value := getattr(config, name)):
        raise ValueError(f"{type(config).__name__}: {name}: wanted {wanted}, got {value!r}")


def is_number(value: object) -> bool:
    """Whether it is an int or a float; true and false are neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_pair(value: object) -> bool:
    """Whether it is a tuple of two whole numbers."""
    return isinstance(value, tuple) and [*map(type, value)] == [int, int]


def check_whole(config: object, name: str, least: int = 1, most: int = MOST, *, none: bool = False) -> None:
    """Demand a whole number of `least` to `most` in the field `name`, or None where that is allowed.

    Raises:
        ValueError: the message names the field, what came and what was wanted.
    """
    wanted = f"a whole number from {least} to {most}{' or none' if none else ''}"
    check(
        config, name, wanted, lambda value: (none and value is None) or (type(value) is int and least <= value <= most)
    )


def check_number(config: object, name: str, least: float, most: float, *, none: bool = False) -> None:
    """Demand a number of `least` to `most` in the field `name`, or None where that is allowed."""
    wanted = f"a number from {least:g} to {most:g}{' or none' if none else ''}"
    check(config, name, wanted, lambda x: (none and x is None) or (is_number(x) and least <= x <= most))


def check_small(config: object, name: str) -> None:
    """Demand a number between 0 and 1, such as a norm's eps, in the field `name`."""
    check(config, name, "a number above 0 and below 1", lambda x: is_number(x) and 0 < x < 1)


def check_choice(config: object, name: str, choices: Collection[str], *, none: bool = False) -> None:
    """Demand one of `choices` in the field `name`, or None where that is allowed."""
    wanted = f"one of {', '.join(choices)}{' or none' if none else ''}"
    check(config, name, wanted, lambda x: (none and x is None) or (isinstance(x, str) and x in choices))


def check_flag(config: object, name: str) -> None:
    """Demand true or false in the field `name`."""
    check(config, name, "true or false", lambda x: isinstance(x, bool))


def check_told(network: str, name: str, given: Any, width: int | None) -> None:
    """Demand that a network is told what it wants, vectors of `width`, and nothing that it wants not."""
    if given is None and width is not None:
        raise ValueError(f"{network}: this network wants {name} of width {width}, got none")
    if given is not None and width is None:
        raise ValueError(f"{network}: this network wants no {name}, got shape {given.shape}")
