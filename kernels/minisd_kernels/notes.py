"""What takes long, or has been mended, is said: once, on standard error.

>>> from contextlib import redirect_stderr
>>> with redirect_stderr(sys.stdout):
...     say("an example")
...     say("an example")
minisd: an example
"""

from __future__ import annotations

import sys

_said: set[str] = set()
quiet = False


def say(text: str) -> None:
    """Say it, unless it has been said."""
    if text not in _said and not quiet:
        _said.add(text)
        print(f"minisd: {text}", file=sys.stderr, flush=True)
