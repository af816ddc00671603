"""What a chapter shows, as a script and as a notebook alike: its figures, and the library's own source."""

from __future__ import annotations

import ast
import inspect
import io
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def show(figure: Any, name: str) -> None:
    """Put a matplotlib figure, or a picture (PIL), on the page: in a notebook under its cell; a script writes the file
    ``output/NAME.png`` beside itself, or here where that folder is read-only."""
    if _in_notebook():
        from IPython.display import Image, display

        picture = io.BytesIO()
        _save(figure, picture)
        display(Image(picture.getvalue()))
        return
    beside = Path(getattr(sys.modules["__main__"], "__file__", None) or "page.py").resolve().parent
    output = (beside if os.access(beside, os.W_OK) else Path()) / "output"
    output.mkdir(exist_ok=True)
    _save(figure, output / f"{name}.png")
    print("picture:", output / f"{name}.png")


def _save(figure: Any, to: Any) -> None:
    figure.savefig(to, format="png") if hasattr(figure, "savefig") else figure.save(to, format="png")


def show_rows(
    rows: Mapping[str, Any],
    name: str,
    *,
    headings: Sequence[str] = (),
    notes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Put rows of pictures (N, H, W) on the page as `show` does: see ``plots.draw_rows``."""
    from minisd.plots import draw_rows  # here: an answer's process, which knows this module, must not hold the library

    show(draw_rows(rows, headings, notes), name)


def source(thing: Any, *, docstring: bool = False) -> None:
    """Show the library's own lines of a function, method or class: what the chapter explains is what runs."""
    text = textwrap.dedent(inspect.getsource(thing))
    shown = text if docstring else _without_docstring(text)
    if _in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(f"```python\n{shown}```"))
    else:
        print(shown, end="")


def _without_docstring(text: str) -> str:
    node = ast.parse(text).body[0]
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or ast.get_docstring(node) is None or len(node.body) == 1:
        return text
    lines = text.splitlines(keepends=True)
    first = node.body[0]
    return "".join(lines[: first.lineno - 1] + lines[first.end_lineno or first.lineno :])


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
