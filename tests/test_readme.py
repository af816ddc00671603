"""The README's Python and its commands print what the README says they print."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from minisd.cli import main

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = re.findall(
    r"```sh\n(minisd [^\n]*)\n```\n\n```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)


def test_the_readme_has_snippets_and_commands():
    assert SNIPPETS and COMMANDS


@pytest.mark.parametrize(("code", "printed"), SNIPPETS)
def test_snippet(code, printed, tmp_path):
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


@pytest.mark.parametrize(
    ("command", "printed"),
    [pytest.param(*pair, marks=pytest.mark.emu if "kernels trace" in pair[0] else ()) for pair in COMMANDS],
)
def test_command(command, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert printed in (result.stdout, result.stderr)
