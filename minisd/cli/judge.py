"""minisd judge: the classifier that measures drawings."""

from __future__ import annotations

from pathlib import Path

import click
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import FOLDER, POSITIVE, SEED, FiniteFloat, check_data, data_options, device_option, stoppable
from minisd.cli.outputs import new_files, numbered_files


@click.command()
@click.option("--out", type=FOLDER, help="Where the judge is kept. [default: runs/judge, numbered if one is there]")
@click.option("--minutes", type=FiniteFloat(min=0, min_open=True), default=2.0, show_default=True)
@click.option("--steps", type=POSITIVE, help="Training steps, instead of --minutes.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@data_options("digits")
@device_option
@click.pass_context
def judge(
    ctx: click.Context,
    out: Path | None,
    minutes: float,
    steps: int | None,
    seed: int,
    data: str,
    data_dir: Path | None,
    device: str,
) -> None:  # fmt: skip
    """Train the digit classifier that eval judges with."""
    check_data(data, data_dir)
    require_device(device)

    from minisd.data import load_digits
    from minisd.evaluation import Judge
    from minisd.train.classifier import train_judge

    files = new_files(out / Judge.FILE) if out else numbered_files("runs/judge", f"/{Judge.FILE}")
    with files as (path,), stoppable(ctx, lambda: "nothing is kept"):
        real, test = load_digits(data, "train", data_dir), load_digits(data, "test", data_dir)
        compile_first(device)
        of_digits = Judge(train_judge(real, seed=seed, minutes=minutes, steps=steps, device=device))
        of_digits.save(path.parent)
    accuracy = float((of_digits.digits(test.images) == test.labels).mean())
    click.echo(f"accuracy on {len(test):,} test digits: {accuracy:.4f}\nwrote {path}")
    click.echo(f"next: minisd eval --judge {path.parent}")
