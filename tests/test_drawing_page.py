"""docs/drawing.md shows every option of minisd draw, and its pictures say themselves that the page's commands drew them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image, ImageChops

from minisd.cli import main
from minisd.cli.draw import draw
from minisd.plots import load_about

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "drawing.md").read_text(encoding="utf-8")
DRAWN = re.findall(r"!\[[^\]]+\]\((drawing/[^)]+)\)\n\n`(minisd draw [^`]+)`", PAGE)


def test_every_option_stands_on_the_page() -> None:
    options = [option for parameter in draw.params for option in parameter.opts if option.startswith("--")]
    assert len(options) > 20 and DRAWN
    assert [option for option in options if not re.search(rf"{option}\b", PAGE)] == []


def test_every_picture_has_its_command_and_every_file_its_place() -> None:
    shown = set(re.findall(r"\((drawing/[^)]+)\)", PAGE))
    assert shown - {name for name, _ in DRAWN} == {"drawing/guidance.png"}  # that of minisd eval
    for path in (DOCS / "drawing").iterdir():
        drawn_beside = path.with_suffix(".gif").name, path.name.replace("-steps", "")
        assert f"drawing/{path.name}" in PAGE or path.suffix == ".gif", f"{path.name} is shown nowhere: {drawn_beside}"
        assert path.stat().st_size < 60_000, f"{path.name} is large for a page"


@pytest.mark.parametrize(("name", "command"), DRAWN)
def test_a_picture_was_drawn_by_its_command(name: str, command: str) -> None:
    """Its metadata, which no drawing is needed for, holds all that the page says, but for where it was written."""
    words = shlex.split(command)
    out = words.index("--out")
    assert Path(words[out + 1]).stem == Path(name).stem.removesuffix("-steps")
    told = shlex.split(load_about(DOCS / name)["command"])
    for word in {*words[:out], *words[out + 2 :]} - {"--columns", "--show-steps"}:
        assert word in told or words[words.index(word) - 1] == "--columns", f"{name}: {word} is not in its own command"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "command"), [*DRAWN, ("digits.png", "minisd draw --prompts docs/prompts.txt --seed 2")])
def test_the_command_draws_the_picture_again(
    name: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DOCS.parent)
    words = [word for word in shlex.split(command)[1:] if not word.startswith("docs/drawing/") or "--prompts" in command]
    words = words[: words.index("--out")] if "--out" in words else words
    result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / f"{Path(name).stem.removesuffix('-steps')}.png")])
    assert result.exit_code == 0, result.output
    with Image.open(DOCS / name) as ours, Image.open(tmp_path / Path(name).name) as again:
        assert ours.size == again.size and ours.mode == again.mode
        extrema = ImageChops.difference(ours, again).getextrema()
        assert extrema in ((0, 0), ((0, 0),) * 3)
