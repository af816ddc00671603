"""Every tutorial runs to its end, from any folder: what a tutorial claims it asserts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "tutorials").glob("*.py"))
EMULATED = "13_a_gpu_that_is_not_there"


@pytest.mark.skipif(
    not TUTORIALS, reason="no folder tutorials/ beside tests/: they come with the source, not the wheel"
)
@pytest.mark.parametrize(
    "script",
    [pytest.param(path, id=path.stem, marks=pytest.mark.emu if path.stem == EMULATED else ()) for path in TUTORIALS],
)
def test_tutorial(script: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # the packages that tests see
    run = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, f"{script.name} failed:\n{run.stdout}\n{run.stderr}"
