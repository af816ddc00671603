"""minisd eval: a model in, its figures out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import (
    FOLDER,
    SEED,
    OutputFile,
    check_data,
    checking,
    data_options,
    device_option,
    sampling_options,
)
from minisd.cli.outputs import new_files

if TYPE_CHECKING:
    from minisd.evaluation import Report


@click.command("eval", short_help="Measure a model's drawings, VAE and text encoder.")
@sampling_options
@device_option
@click.option(
    "--num",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Drawings, as many of each digit: a multiple of 10.",
)
@click.option("--seed", type=SEED, default=0, show_default=True)
@data_options(digits=True)
@click.option("--judge", type=FOLDER, help="Folder of a judge. [default: the one that comes with minisd]")
@click.option("--json", "json_file", type=OutputFile(), help="Write the numbers to this file, too.")
@click.pass_context
def evaluate(
    ctx: click.Context,
    model: Path | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    device: str,
    num: int,
    seed: int,
    data: str,
    data_dir: Path | None,
    judge: Path | None,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Measure a model: its drawings against real digits, its VAE and its text encoder."""
    check_data(data, data_dir)
    require_device(device)

    from minisd import checkpoint, evaluation
    from minisd.data import load_digits
    from minisd.diffusion.schedule import timesteps
    from minisd.pipeline import Pipeline

    ctx.with_resource(new_files(json_file))
    pipeline, of_digits = Pipeline.load(model), evaluation.Judge.load(judge)
    with checking("--steps"):
        timesteps(pipeline.schedule.steps, steps or pipeline.info.steps)
    real, test = load_digits(data, "train", data_dir), load_digits(data, "test", data_dir)
    with checking("--num"):
        evaluation.check_count(num, real, test)
    compile_first(device)
    pipeline.to(device)
    of_digits.classifier.to(device)
    report = evaluation.evaluate(
        pipeline, of_digits, real, test,
        count=num, seed=seed, guidance=guidance, steps=steps, sampler=sampler,
        say=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    for name, value in _table(report, len(test)):
        click.echo(f"{name:<36}{value}".rstrip())
    if json_file is not None:
        checkpoint.save_json(json_file, report.as_json())
        click.echo(f"wrote {json_file}")


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
            yield f"  thickness as asked-{n}", f"{part.thickness_as_asked:.3f} (chance 0.333)"
            yield f"  slant as asked-{n}", f"{part.slant_as_asked:.3f} (chance 0.333)"
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
