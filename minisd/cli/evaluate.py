"""minisd eval: a model in, its figures out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from minisd_kernels.devices import require_device

from minisd.cli.eval_neighbours import show_neighbours
from minisd.cli.eval_table import show_table
from minisd.cli.kernels import compile_first
from minisd.cli.options import (
    FOLDER,
    GUIDANCE,
    POSITIVE,
    SEED,
    OutputFile,
    SamplerName,
    Several,
    check_data,
    check_few_alone,
    checking,
    data_options,
    device_option,
    judge_option,
    sampling_options,
)
from minisd.cli.outputs import new_files
from minisd.data.sets import DATA_SETS

if TYPE_CHECKING:
    from minisd.autograd import Array
    from minisd.evaluation import Judge
    from minisd.evaluation.colours import ColourReport
    from minisd.evaluation.digits import DrawingReport, Floor, GuidanceCurve, Report
    from minisd.pipeline import Pipeline


@click.command("eval", short_help="Measure a model's drawings, VAE and text encoder.")
@click.option(
    "--model",
    "models",
    type=FOLDER,
    multiple=True,
    help="Folder of a trained model; several are compared by --table. [default: the one that comes with minisd]",
)
@sampling_options
@click.option(
    "--guidance",
    type=Several(GUIDANCE),
    help="How closely to follow the prompt; several, such as 0,1,2,4, are compared. [default: the model's]",
)
@device_option
@click.option(
    "--num",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Drawings, as many of each digit: a multiple of 10.",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@data_options("digits", "coloured digits")
@judge_option
@click.option("--table", is_flag=True, help="Compare samplers, and models, at as many evaluations of the network.")
@click.option(
    "--samplers", type=Several(SamplerName()), help="Those of --table. [default: the usual ones of each model]"
)
@click.option("--evaluations", type=Several(POSITIVE), help="The columns of --table. [default: 1,2,4,8,16,50]")
@click.option(
    "--neighbours",
    type=OutputFile(".png"),
    help="Look for drawings that are copies: beside the training pictures nearest to them, in this file.",
)
@click.option("--json", "json_file", type=OutputFile(), help="Write the numbers to this file, too.")
@click.option("--plot", type=OutputFile(".png"), help="Draw several values of --guidance, or the --table.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    models: tuple[Path, ...],
    few: int | None,
    steps: int | None,
    guidance: list[float] | None,
    sampler: str | None,
    spacing: str | None,
    device: str,
    num: int,
    seed: int,
    data: str,
    data_dir: Path | None,
    judge: Path | None,
    table: bool,
    samplers: list[str] | None,
    evaluations: list[int] | None,
    neighbours: Path | None,
    json_file: Path | None,
    plot: Path | None,
) -> None:  # fmt: skip
    """Measure a model: its drawings against real digits, its VAE and its text encoder.

    Of coloured digits: how often digit, ink and ground are those that were asked for.

    Of several values of --guidance, the drawings alone: more guidance makes them obey better and vary less.

    With --table, samplers at 1, 2, 4, 8, 16 and 50 evaluations of the network, of one model or of several. With
    --neighbours, whether drawings are copies of training pictures.
    """
    several = guidance is not None and len(guidance) > 1
    _check_together(
        {"--table": table, "--neighbours": neighbours is not None, "several values of --guidance": several},
        {"--samplers": samplers, "--evaluations": evaluations},
        {"--sampler": sampler, "--steps": steps, "--few": few},
        len(models),
    )
    if plot is not None and not (several or table):
        raise click.UsageError(
            "--plot draws a curve: give several values, such as --guidance 0,0.5,1,1.5,2,4, or --table."
        )
    check_few_alone(few, steps=steps, sampler=sampler, spacing=spacing, guidance=guidance)
    check_data(data, data_dir)
    require_device(device)
    if not DATA_SETS[data].digits:
        if several:
            raise click.UsageError(f"--data {data} measures at one --guidance at a time.")
        if table or neighbours:
            raise click.UsageError(f"--data {data} has neither --table nor --neighbours: those are of grey digits.")

    from minisd import checkpoint
    from minisd.data import ColourSet, DigitSet, load_digits, load_pictures
    from minisd.diffusion.spacing import make_levels
    from minisd.evaluation import Judge, colours, digits
    from minisd.evaluation.table import EVALUATIONS, plan
    from minisd.pipeline import Pipeline
    from minisd.pipeline.few_steps import check_few

    ctx.with_resource(new_files(json_file, plot, neighbours))
    pipelines = {str(model or "the model that comes with minisd"): Pipeline.load(model) for model in models or [None]}
    (pipeline, *_), of_digits = pipelines.values(), Judge.load(judge)
    if few is not None:
        with checking("--few"):
            check_few(pipeline, few)
    with checking("--steps"):
        make_levels(pipeline.schedule, steps or pipeline.info.steps)
    with checking("--evaluations"):
        asked = plan(pipelines, samplers, evaluations or EVALUATIONS) if table else []
        if table and not asked:
            raise ValueError("these samplers ask more than once a step, and need 3 evaluations or more")
    one_guidance = guidance[0] if guidance else None
    how: dict[str, Any] = {"spacing": spacing}
    if not table:
        how |= {"few": few, "steps": steps, "sampler": sampler}
    options: dict[str, Any] = {"count": num, "seed": seed, **how, "say": lambda line: click.echo(line, err=True)}
    report: Report | GuidanceCurve | ColourReport | None = None
    if DATA_SETS[data].digits:
        real, test = load_digits(data, "train", data_dir), load_digits(data, "test", data_dir)
        for each in pipelines.values():
            _check_fits(each, data, test.images)
        with checking("--num"):
            digits.check_count(num, real, test)
        _compile_for(pipelines.values(), of_digits, device)
        parts: tuple[Pipeline, Judge, DigitSet, DigitSet] = pipeline, of_digits, real, test
        if table or neighbours:
            compared = digits.Drawings(of_digits, real, test, num, seed)
        if table:
            show_table(ctx, pipelines, asked, compared, json_file, plot, guidance=one_guidance, **how)
        elif neighbours:
            show_neighbours(pipeline, compared, real.images, neighbours, json_file, guidance=one_guidance, **how)
        elif several:
            report = digits.guidance_curve(*parts, guidance or (), **options)
            click.echo("\n".join(_curve_table(report)))
        else:
            report = digits.evaluate(*parts, guidance=one_guidance, **options)
            for name, value in _table(report, len(test)):
                click.echo(f"{name:<36}{value}".rstrip())
    else:
        coloured = load_pictures(data, "test")
        assert isinstance(coloured, ColourSet)
        _check_fits(pipeline, data, coloured.images)
        _compile_for([pipeline], of_digits, device)
        report = colours.evaluate(pipeline, of_digits, coloured, guidance=one_guidance, **options)
        click.echo("\n".join(_colour_table(report)))
    if json_file is not None and report is not None:
        checkpoint.save_json(json_file, report.as_json())
    if plot is not None and isinstance(report, digits.GuidanceCurve):
        _plot(plot, report)
    for path in filter(None, (json_file, plot, neighbours)):
        click.echo(f"wrote {path}")


def _check_together(
    modes: dict[str, bool], of_table: dict[str, object], not_of_table: dict[str, object], models: int
) -> None:
    """One thing is measured at a time, and with the options that say something of it."""
    chosen = [name for name, given in modes.items() if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} measure different things; leave all but one out.")
    if modes["--table"]:
        if unused := [name for name, given in not_of_table.items() if given]:
            raise click.UsageError(f"--table takes --samplers and --evaluations in the place of {unused[0]}.")
        return
    if unused := [name for name, given in of_table.items() if given]:
        raise click.UsageError(f"{unused[0]} is for --table; say --table, or leave it out.")
    if models > 1:
        raise click.UsageError("several models are compared by --table; say --table, or name one --model.")


def _check_fits(pipeline: Pipeline, data: str, images: Array) -> None:
    """Drawings can be measured by pictures of their own kind alone."""
    from minisd.pictures import picture_shape

    def said(shape: tuple[int, int, int]) -> str:
        return f"{shape[0]} x {shape[1]} {'in colour' if shape[2] == 3 else 'grey'}"

    draws, wanted = pipeline.picture_shape, picture_shape(images)
    if draws != wanted:
        raise click.UsageError(
            f"the model draws {said(draws)}, and the pictures of --data {data} are {said(wanted)}; "
            "measure it with the --data that it was trained on."
        )


def _compile_for(pipelines: Iterable[Pipeline], judge: Judge, device: str) -> None:
    compile_first(device)
    for pipeline in pipelines:
        pipeline.to(device)
    judge.classifier.to(device)


def _colour_table(report: ColourReport) -> Iterator[str]:
    """A line for each kind of pictures, under a line of what is told of them."""
    yield f"{'as asked':<36}   digit     ink  ground   all three"
    for part in (*report.drawings, report.judge):
        parts = "".join(f"{value:>8.3f}" for value in (part.digit, part.ink, part.ground))
        yield f"{f'{part.pictures}-{part.count}':<36}{parts}{part.all_three:>12.3f}"
    yield f"{'PSNR of reconstructions by the VAE':<36}{report.vae_psnr:>8.2f} dB"


def _curve_table(curve: GuidanceCurve) -> Iterator[str]:
    """A line a guidance, for each kind of prompt, over a line of what real digits have."""
    for kind, first in enumerate(curve.drawings[0]):
        yield f"Drawings, told the {first.prompts}: {first.count:,} for each guidance"
        asked = "thickness   slant   " if first.thickness_as_asked is not None else ""
        yield f"  guidance  accuracy  {asked}Fréchet  precision  recall  diversity"
        for guidance, drawings in zip(curve.guidance, curve.drawings, strict=True):
            part = drawings[kind]
            attributes = f"{part.thickness_as_asked:>9.3f}{part.slant_as_asked:>8.3f}   " if asked else ""
            yield f"  {guidance:>8g}  {part.accuracy:>8.3f}  {attributes}{_distances(part)}"
        yield f"  {'real':>8}  {curve.real.accuracy:>8.3f}  {' ' * len(asked)}{_distances(curve.real)}"


def _distances(part: DrawingReport | Floor) -> str:
    return f"{part.frechet:>7.2f}  {part.precision:>9.3f}  {part.recall:>6.3f}  {part.diversity:>9.3f}"


def _plot(path: Path, curve: GuidanceCurve) -> None:
    from minisd import plots

    titles = {
        "accuracy": "accuracy: is it the digit that was asked for?",
        "frechet": "Fréchet distance: how far from real digits?",
        "recall": "recall: how much of the real variety is drawn?",
        "diversity": "diversity: how much does a digit vary?",
    }
    panels = {
        title: {
            f"told the {first.prompts}": [getattr(drawings[kind], name) for drawings in curve.drawings]
            for kind, first in enumerate(curve.drawings[0])
        }
        for name, title in titles.items()
    }
    real = {title: getattr(curve.real, name) for name, title in titles.items()}
    plots.save_panels(path, curve.guidance, panels, "guidance", level=("real digits", real))


def _table(report: Report, test_count: int) -> Iterator[tuple[str, str]]:
    """Name and value of every number; a name carries the number of samples behind it."""
    for part in report.drawings:
        n, (low, high) = part.count, part.accuracy_interval
        by_digit = [f"{digit}: {value:.2f}" for digit, value in enumerate(part.accuracy_by_digit)]
        yield f"Drawings, told the {part.prompts}", ""
        yield f"  accuracy-{n}", f"{part.accuracy:.3f} (95% interval {low:.3f} to {high:.3f})"
        yield f"  accuracy-{n // 10} of each digit", "  ".join(by_digit[:5])
        yield "", "  ".join(by_digit[5:])
        if part.thickness_as_asked is not None and part.slant_as_asked is not None:
            yield f"  thickness as asked-{n}", f"{part.thickness_as_asked:.3f} (chance {part.thickness_by_chance:.3f})"
            yield f"  slant as asked-{n}", f"{part.slant_as_asked:.3f} (chance {part.slant_by_chance:.3f})"
        yield f"  Fréchet-{n}", f"{part.frechet:.2f} (real against real {part.frechet_floor:.2f})"
        yield f"  precision-{n}", f"{part.precision:.3f}"
        yield f"  recall-{n}", f"{part.recall:.3f}"
        yield f"  diversity-{n}", f"{part.diversity:.3f} (real digits 1)"
    m = test_count
    yield "Judge", ""
    yield f"  accuracy on real digits-{m}", f"{report.judge_accuracy:.4f}"
    yield "VAE", ""
    yield f"  PSNR of reconstructions-{m}", f"{report.vae_psnr:.2f} dB"
    yield f"  accuracy on reconstructions-{m}", f"{report.vae_accuracy:.4f}"
    yield "CLIP, the caption nearest to a real picture", ""
    yield f"  right digit of ten-{m}", f"{report.clip_zero_shot:.4f}"
    yield f"  right thickness of three-{m}", f"{report.clip_thickness:.4f}"
    yield f"  right slant of three-{m}", f"{report.clip_slant:.4f}"
