"""docs/drawing.md shows every option of minisd draw; its pictures say themselves that the page's commands drew them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner
from PIL import Image, ImageChops

from minisd.cli import main
from minisd.cli.draw import draw
from minisd.cli.pictures import OUTPUTS
from minisd.plots import load_about

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "drawing.md").read_text(encoding="utf-8")
DRAWN = re.findall(r"!\[[^\]]+\]\((drawing/[^)]+)\)\n\n`(minisd draw [^`]+)`", PAGE)

# The first picture of the README.
README = "digits.png", "minisd draw --prompts docs/prompts.txt --seed 2 --out docs/digits.png"


def test_the_readme_says_how_its_first_picture_was_drawn() -> None:
    name, command = README
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert text.index(f"(docs/{name})") < text.index(command)


def test_every_option_stands_on_the_page() -> None:
    options = [option for parameter in draw.params for option in parameter.opts if option.startswith("--")]
    assert len(options) > 20 and DRAWN
    assert [option for option in options if not re.search(rf"{option}\b", PAGE)] == []


def test_every_picture_has_its_command_and_every_file_its_place() -> None:
    shown = set(re.findall(r"\((drawing/[^)]+)\)", PAGE))
    assert shown - {name for name, _ in DRAWN} == {"drawing/guidance.png"}  # that of minisd eval
    for path in (DOCS / "drawing").iterdir():
        assert f"drawing/{path.name}" in PAGE, f"{path.name} is on no page"
        assert path.suffix != ".png" or path.stat().st_size < 60_000, f"{path.name} is large for a page"


def given(command: str) -> dict[str, Any]:
    """What a command line asks to draw: its arguments, but for where the picture goes."""
    # Under main, as a user's is: click keeps the help option of a command's first context, and -h comes from main.
    above = click.Context(main, **main.context_settings)
    context = draw.make_context("draw", shlex.split(command)[2:], parent=above)
    said = {name: value for name, value in context.params.items() if name not in OUTPUTS}
    return {name: said[name] for name in said if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}


@pytest.mark.parametrize(("name", "command"), [*DRAWN, README])
def test_a_picture_was_drawn_by_its_command(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata, which no drawing is needed for, say all that the page says."""
    monkeypatch.chdir(DOCS.parent)
    assert f"--out docs/{name.replace('-steps', '')}" in command
    said = given(load_about(DOCS / name)["command"])
    assert {key: said[key] for key in given(command)} == given(command)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "command"), [*DRAWN, README])
def test_the_command_draws_the_picture_again(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DOCS.parent)
    again = tmp_path / Path(name.replace("-steps", "")).name
    # Plain NumPy rounds otherwise, by a grey level now and then, and draws where no kernels are compiled yet.
    result = CliRunner().invoke(main, ["--backend", "numba", *shlex.split(command)[1:-1], str(again)])
    assert result.exit_code == 0, result.output
    with Image.open(DOCS / name) as ours, Image.open(tmp_path / Path(name).name) as redrawn:
        assert ours.size == redrawn.size and ours.mode == redrawn.mode
        extrema = ImageChops.difference(ours, redrawn).getextrema()
        assert extrema in ((0, 0), ((0, 0),) * 3)
