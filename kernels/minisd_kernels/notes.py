"""What takes long, or has been mended, is said: once, on standard error."""

from __future__ import annotations

import sys

_said: set[str] = set()
quiet = False


def say(text: str) -> None:
    """Say it, unless it has been said."""
    if text not in _said and not quiet:
        _said.add(text)
        print(f"minisd: {text}", file=sys.stderr, flush=True)
