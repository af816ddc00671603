"""What any configuration can demand of its fields; it can come from a file, and no file is trusted.

Each check raises a ValueError that names the field, what came and what was wanted.
"""

from __future__ import annotations

from collections.abc import Collection

MOST = 1 << 20  # of anything that a configuration counts: beyond it a damaged file asks for all memory


def check_whole(config: object, name: str, least: int = 1, most: int = MOST, *, none: bool = False) -> None:
    """Demand a whole number of `least` to `most` in the field `name`, or None where that is allowed.

    Raises:
        ValueError: the message names the field, what came and what was wanted.
    """
    value = getattr(config, name)
    if value is None and none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        wanted = f"a whole number from {least} to {most}{' or none' if none else ''}"
        raise ValueError(f"{type(config).__name__}: {name}: wanted {wanted}, got {value!r}")


def check_small(config: object, name: str) -> None:
    """Demand a number between 0 and 1, such as a norm's eps, in the field `name`."""
    value = getattr(config, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{type(config).__name__}: {name}: wanted a number above 0 and below 1, got {value!r}")


def check_choice(config: object, name: str, choices: Collection[str]) -> None:
    """Demand one of `choices` in the field `name`."""
    value = getattr(config, name)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{type(config).__name__}: {name}: wanted one of {', '.join(choices)}, got {value!r}")


def check_flag(config: object, name: str) -> None:
    """Demand true or false in the field `name`."""
    value = getattr(config, name)
    if not isinstance(value, bool):
        raise ValueError(f"{type(config).__name__}: {name}: wanted true or false, got {value!r}")
