"""Every chapter runs to its end, as a script from any folder and as a notebook: what it claims it asserts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minisd.course import notebook
from minisd.course.build import choose
from minisd.course.chapters import Chapter, chapters

EMULATED = 13
AT_ONCE = {2}  # what the default tests run: the others take longer, and CI runs them all
EXECUTE = """
import sys, nbformat, nbclient
page = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(page, timeout=300, kernel_name="python3").execute()
nbformat.write(page, sys.argv[1])
"""


def marked(number: int, chapter: Chapter, *, slow: bool) -> object:
    marks = [pytest.mark.emu] if number == EMULATED else []
    return pytest.param(chapter, id=chapter.file.stem, marks=[*marks, pytest.mark.slow] if slow else marks)


def run(*command: str | Path, cwd: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # the packages that tests see
    environment["PYTHONWARNINGS"] = "error::UserWarning"
    done = subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[-1]} failed:\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("chapter", [marked(n, c, slow=n not in AT_ONCE) for n, c in chapters().items()])
def test_as_a_script(chapter: Chapter, tmp_path: Path) -> None:
    run(chapter.file, cwd=tmp_path)


@pytest.mark.parametrize("chapter", [marked(n, c, slow=True) for n, c in chapters().items()])
def test_as_a_notebook(chapter: Chapter, tmp_path: Path) -> None:
    """With the holes of its exercises unwritten, as it is handed out; figures lie in its cells, and no cell floods."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    ((_, exercises),) = choose([chapter.number]).items()
    page = tmp_path / "page.ipynb"
    notebook.write(notebook.student_notebook(chapter, exercises), page)
    run("-c", EXECUTE, page, cwd=tmp_path)

    outputs = [output for cell in json.loads(page.read_text())["cells"] for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert bool(pictures) == bool(re.search(r"\bshow(_rows)?\(", chapter.text))
    assert not list(tmp_path.glob("**/*.png")), "a notebook keeps its pictures"
    assert all(len("".join(output.get("text", ())).splitlines()) < 120 for output in outputs), "a cell floods"
