"""minisd judge: the classifier that measures drawings."""

from __future__ import annotations

from pathlib import Path

import click
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import FOLDER, POSITIVE, SEED, FiniteFloat, device_option


@click.command()
@click.option("--out", type=FOLDER, default=Path("runs/judge"), show_default=True, help="Where the judge is kept.")
@click.option("--minutes", type=FiniteFloat(min=0, min_open=True), default=2.0, show_default=True)
@click.option("--steps", type=POSITIVE, help="Training steps, instead of --minutes.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--data-dir", type=FOLDER, help="The folder of MNIST's files. [default: they are fetched]")
@device_option
def judge(out: Path, minutes: float, steps: int | None, seed: int, data_dir: Path | None, device: str) -> None:
    """Train the digit classifier that eval judges with."""
    require_device(device)

    from minisd.checkpoint import check_writable
    from minisd.data import load_digits
    from minisd.evaluation import Judge
    from minisd.train.classifier import train_judge

    check_writable(out / Judge.FILE)
    real, test = load_digits("mnist", "train", data_dir), load_digits("mnist", "test", data_dir)
    compile_first(device)
    of_digits = Judge(train_judge(real, seed=seed, minutes=minutes, steps=steps, device=device))
    of_digits.save(out)
    accuracy = float((of_digits.digits(test.images) == test.labels).mean())
    click.echo(f"accuracy on {len(test):,} test digits: {accuracy:.4f}\nwrote {out / Judge.FILE}")
    click.echo(f"next: minisd eval --judge {out}")
