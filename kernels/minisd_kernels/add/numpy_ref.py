"""The sum in NumPy."""

from __future__ import annotations

from typing import Any


def forward(a: Any, b: Any) -> Any:
    return a + b


def into(total: Any, part: Any) -> None:
    total += part
