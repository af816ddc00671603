"""docs/measuring.md names commands and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from minisd.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "measuring.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    minisd (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_can_be_read(command: str) -> None:
    name, *arguments = shlex.split(command)
    with click.Context(main) as ctx:
        found = main.get_command(ctx, name)
        assert found is not None
        found.make_context(name, arguments, parent=ctx)


def test_every_option_of_the_table_is_told() -> None:
    with click.Context(main) as ctx:
        evaluate = main.get_command(ctx, "eval")
    assert evaluate is not None and len(COMMANDS) >= 6
    options = {option for parameter in evaluate.params for option in parameter.opts}
    for option in ("--table", "--samplers", "--evaluations", "--neighbours", "--plot", "--json", "--guidance"):
        assert option in options and option in PAGE
