"""minisd curve: a recipe of training in, its quality over time out."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import (
    FOLDER,
    FiniteFloat,
    Several,
    check_data,
    checking,
    judge_option,
    stoppable,
)
from minisd.cli.train import train
from minisd.data.sets import DATA_SETS

if TYPE_CHECKING:
    from minisd.evaluation.curve import Curve, Made


@click.command(
    short_help="Train for 1, 2, 5 minutes and more, and measure each model.",
    context_settings={"ignore_unknown_options": True},
)
@click.option(
    "--minutes",
    type=Several(FiniteFloat(min=0, min_open=True)),
    default="1,2,5,10,15,30",
    show_default=True,
    help="How long each training may take.",
)
@click.option("--out", type=FOLDER, default="runs/curve", show_default=True, help="Folder of the curve and its models.")
@click.option(
    "--num",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Drawings of each kind of prompt, as many of each digit: a multiple of 10.",
)
@judge_option
@click.argument("recipe", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF minisd train]...")
@click.pass_context
def curve(
    ctx: click.Context,
    minutes: list[float],
    out: Path,
    num: int,
    judge: Path | None,
    recipe: tuple[str, ...],
) -> None:  # fmt: skip
    """Train a model for each of --minutes, one after the other, and measure the drawings of each as minisd eval does.

    All other options are those of minisd train, such as --seed 1 or --recipe FILE. OUT/curve.json and OUT/curve.png are
    written after every model; stop as you like, and the same command goes on, or adds other --minutes.
    """
    training = train.make_context("train", [*recipe], parent=ctx.parent)
    asked = training.params
    for option in ("lora", "resume", "steps", "profile"):
        if asked[option] and training.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"a curve is of whole models, each trained for its --minutes; leave out --{option}.")
    if asked["stage"] != "model" or asked["lora"]:
        raise click.UsageError("a curve is of whole models, from the start; leave out the stage that adds to one.")
    data, data_dir, device = asked["data"], asked["data_dir"], asked["device"]
    if not DATA_SETS[data].digits:
        raise click.UsageError(f"--data {data} holds no digits to measure by; a curve is of --data mnist or strokes.")
    check_data(data, data_dir)
    require_device(device)

    from minisd import checkpoint
    from minisd.data import load_digits
    from minisd.evaluation import Judge
    from minisd.evaluation import curve as curves
    from minisd.evaluation.digits import Drawings, check_count
    from minisd.train.run import Run

    def made(one: float, folder: Path) -> Made:
        begun = (folder / "recipe.json").exists()
        arguments = ["--resume", "--device", device] if begun else [*recipe, "--minutes", str(one)]
        context = train.make_context("train", [*arguments, "--out", str(folder)], parent=ctx.parent)
        with context, redirect_stdout(sys.stderr):  # it says much; only the table is for standard output
            train.invoke(context)
        run = Run.resume(folder)
        return curves.Made(run.seconds, {network: max(totals.items())[1] for network, totals in run.planned.items()})

    of_digits = Judge.load(judge)
    with checkpoint.lock_folder(out):
        real, test = load_digits(data, "train", data_dir), load_digits(data, "test", data_dir)
        with checking("--num"):
            check_count(num, real, test)
        compile_first(device)
        of_digits.classifier.to(device)
        compared = Drawings(of_digits, real, test, num, seed=0)
        found = curves.begin(out, _settled(asked), compared)
        again = f"of {len(minutes)} points are measured; go on with the same command, --out {shlex.quote(str(out))}"
        try:
            with stoppable(ctx, lambda: f"{len(found.points)} {again}"):
                for _ in curves.extend(found, out, minutes, made, compared, device=device, say=_say):
                    _plot(out / "curve.png", found)
        except click.exceptions.Exit:  # of the training, which has said how it can be gone on with
            _say(f"{len(found.points)} {again}")
            raise
        finally:
            if found.points:
                click.echo("\n".join(curves.lines(found)))
    click.echo(f"wrote {out / curves.Curve.FILE}\nwrote {out / 'curve.png'}")


def _settled(asked: dict[str, Any]) -> dict[str, Any]:
    """What tells this training from others, as JSON holds it: not where things lie, nor who computes."""
    elsewhere = {"out", "data_dir", "device", "minutes", "steps", "lora", "resume", "profile", "own"}
    said = {name: value for name, value in asked.items() if name not in elsewhere and value is not None}
    if (recipes := said.pop("recipe", None)) is not None:
        said["recipe"] = dataclasses.asdict(recipes)
    settled: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return settled


def _say(line: str) -> None:
    click.echo(line, err=True)


def _plot(path: Path, curve: Curve) -> None:
    from minisd import plots

    def panel(title: str, name: str, scale: float, *, log: bool = False) -> plots.Panel:
        kinds = {
            told: [(point.minutes, scale * getattr(point.drawings[kind], name)) for point in curve.points]
            for kind, told in enumerate(("told all", "told the digit"))
        }
        return plots.Panel(title, kinds, scale * getattr(curve.real, name), log)

    panels = [
        panel("accuracy, %", "accuracy", 100),
        panel("Fréchet distance", "frechet", 1, log=True),
        panel("recall", "recall", 1),
    ]
    minutes = [point.minutes for point in curve.points]
    plots.save_lines(path, panels, len(panels), "minutes of training", minutes, "real digits")
