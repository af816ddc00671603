"""minisd shapes: a network's sizes, layer by layer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
from click.core import ParameterSource
from minisd_kernels import backends

from minisd.cli.options import POSITIVE, Failure, OutputFile, Size, checking
from minisd.cli.outputs import new_files
from minisd.models.unet_classic import UNetClassicConfig
from minisd.shapes.figure import Words, save_figure
from minisd.shapes.report import table
from minisd.shapes.report import text as text_module
from minisd.shapes.report.builtin import MODELS, unet_classic
from minisd.shapes.report.network import Network
from minisd.shapes.report.sums import Report, examine
from minisd.shapes.report.text import TextError, parse
from minisd.shapes.report.unet_table import render_unet

_LARGEST_TEXT = 2**20  # bytes
_WORDS = {
    "unet": Words("noisy latent z_t", shift="time t", context="text"),
    "dit": Words("noisy latent z_t", context="text"),
    "vae-decoder": Words("latent z"),
}


def _help() -> str:
    """The text's notation is explained where it is read; "\\b" keeps the lines of a paragraph as they are."""
    notation = str(text_module.__doc__).split("\n\n")[1:]
    return "\n\n".join(
        [
            "Print the sizes of NET, layer by layer, each by its formula.",
            'NET is a text such as "572x572x1 conv3:64 conv3:64 pool2", a file with such a text, an ONNX file, or one '
            f"of minisd's own networks: {', '.join(MODELS)}.",
            *(f"\b\n{paragraph}" for paragraph in notation),
        ]
    )


@click.command(help=_help(), context_settings={"max_content_width": 120})
@click.argument("net", required=False)
@click.option("--unet", "unet_size", type=Size(), help="The classic U-Net's sizes on this input, instead of NET.")
@click.option("--depth", type=click.IntRange(0, 12), default=4, show_default=True, help="Poolings of --unet.")
@click.option("--base", type=POSITIVE, default=64, show_default=True, help="Channels of --unet's top level.")
@click.option("--same", is_flag=True, help="Pad --unet's convolutions, so that they keep every size.")
@click.option("--size", type=Size(), help="An input of this size instead of NET's own.")
@click.option("--check", is_flag=True, help="Run the real kernels, too, on every backend present.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--draw", "figure", type=OutputFile(), help="Draw the network as a U: a PNG, SVG or PDF file.")
@click.pass_context
def shapes(
    ctx: click.Context,
    net: str | None,
    unet_size: tuple[int, int] | None,
    depth: int,
    base: int,
    same: bool,
    size: tuple[int, int] | None,
    check: bool,
    as_json: bool,
    figure: Path | None,
) -> None:  # fmt: skip
    if (net is None) == (unet_size is None):
        raise click.UsageError('Give NET or --unet, as in: minisd shapes "28x28x1 conv3:8 pool2"')
    idle = ("size",) if net is None else ("depth", "base", "same")
    if given := [f"--{name}" for name in idle if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT]:
        goes = "--unet has a size of its own" if net is None else "it is for --unet"
        raise click.UsageError(f"Leave out {', '.join(given)}: {goes}.")
    unet = UNetClassicConfig(base=base, depth=depth, same_padding=same)
    if unet_size is not None:
        overview = render_unet(unet.shape, *unet_size, base)
        network = parse(unet_classic(*unet_size, unet))
    else:
        assert net is not None
        overview, network = None, _read(net, size)
    report = examine(network)
    checks = _check(report) if check and not report.problem else {}
    if as_json:
        click.echo(json.dumps(table.as_json(report) | ({"check": checks} if checks else {}), indent=1))
    else:
        click.echo(overview or table.render(report, shutil.get_terminal_size().columns))
        for backend, outcome in checks.items():
            click.echo(f"{backend:<6} {outcome}")
    if figure is not None:
        with new_files(figure), checking("--draw"):
            save_figure(figure, report, _WORDS.get(net or "", Words()))
        click.echo(f"wrote {figure}", err=as_json)
    if report.problem:
        raise Failure(table.problem_text(report))


def _read(net: str, size: tuple[int, int] | None) -> Network:
    """The network that NET means."""
    if _is_file(net):
        path = Path(net)
        if path.suffix.lower() == ".onnx":
            from minisd.shapes.onnx.reader import read_onnx

            return read_onnx(path, size)
        if path.stat().st_size > _LARGEST_TEXT:
            raise TextError(f"{path} is larger than {_LARGEST_TEXT:,} bytes: this is no network's text")
        try:
            network = parse(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise TextError(f"{path} is not UTF-8, so it is no network's text") from error
    elif net in MODELS:
        network = parse(MODELS[net])
    elif net[:1].isdecimal() or any(letter.isspace() for letter in net):
        network = parse(net)
    else:
        raise click.BadParameter(
            f"{net!r} is no file, and none of minisd's networks: {', '.join(MODELS)}; a text begins with the input's "
            'size, as in "28x28x1 conv3:8 pool2".', param_hint="NET",
        )  # fmt: skip
    return network.with_input(*size) if size else network


def _is_file(net: str) -> bool:
    try:
        return Path(net).is_file()
    except (OSError, ValueError):  # too long for a name, or with letters that names cannot have: it is a text
        return False


def _check(report: Report) -> dict[str, str]:
    """What each backend says to the predicted sizes."""
    from minisd.shapes.report.check import check

    outcomes = {}
    for backend in backends.FILES:
        reason = backends.missing_reason(backend)
        if reason is not None:
            outcomes[backend] = f"not run: {reason}"
            continue
        results = check(report, backend)
        wrong = [result for result in results if not result.agrees]
        if wrong:
            first = wrong[0]
            raise Failure(
                f"{backend}, layer {first.step + 1}: the formula says {first.wanted}, the kernel made {first.got}; "
                "this is a mistake of minisd's, please report it"
            )
        run = sum(result.got is not None for result in results)
        outcomes[backend] = f"{run} of {len(results)} layers run" + (", every size as the formula says" if run else "")
        if run < len(results):
            outcomes[backend] += "; no kernel here does the others"
    return outcomes
