"""minisd claims: what a popular text says in numbers, and what the code finds."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from minisd_kernels import backends

from minisd.cli.kernels import is_chosen
from minisd.cli.options import OutputFile
from minisd.cli.outputs import new_files

if TYPE_CHECKING:
    from minisd.shapes.claims import Finding, Verdict

_COLUMNS = 100
_COLOURS: dict[Verdict, str] = {"right": "green", "wrong": "red", "loose": "yellow"}


@click.command()
@click.option("--json", "json_file", type=OutputFile(), help="Write the findings to this file, too.")
@click.pass_context
def claims(ctx: click.Context, json_file: Path | None) -> None:
    """Check the numbers of a popular overview of Stable Diffusion.

    Each claim is right, wrong, or loose: right only under a condition that the text leaves out. The check runs on the
    NumPy reference, which needs no compiling, unless `minisd --backend` or MINISD_BACKEND says otherwise.
    """
    from minisd.checkpoint import save_json
    from minisd.shapes.claims import check_claims

    ctx.with_resource(new_files(json_file))
    if not is_chosen(ctx):
        ctx.with_resource(backends.use_backend("numpy"))
    findings = check_claims()
    counted = Counter(finding.verdict for finding in findings)
    totals = {verdict: counted[verdict] for verdict in _COLOURS}
    click.echo('"StableDiffusion 结构总览", a popular overview of its structure, claim by claim.\n')
    for number, finding in enumerate(findings, start=1):
        for line in _paragraphs(number, finding):
            click.echo(line)
        click.echo()
    click.echo(", ".join(f"{total} {verdict}" for verdict, total in totals.items()))
    if json_file is not None:
        save_json(json_file, {"totals": totals, "findings": [finding._asdict() for finding in findings]})
        click.echo(f"wrote {json_file}")


def _paragraphs(number: int, finding: Finding) -> Iterator[str]:
    first, *others = _wrapped(finding.claim, indent=11)
    yield f"{number:2}  {click.style(finding.verdict, fg=_COLOURS[finding.verdict], bold=True)}  {first}"
    yield from (" " * 11 + line for line in others)
    for label, text in (("found", finding.evidence), ("only if", finding.condition), ("instead", finding.instead)):
        for line in _wrapped(text, indent=20):
            yield f"{'':11}{label:<9}{line}"
            label = ""


def _wrapped(text: str, indent: int) -> list[str]:
    """The text in lines; 572 x 572 x 1 stays in one."""
    columns = min(_COLUMNS, shutil.get_terminal_size().columns)
    kept = text.replace(" x ", "\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(kept, columns - indent, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
