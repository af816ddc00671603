"""The command line: draw, train, eval, judge, info.

A command checks first what is cheap to check, then loads, then works. What it imports it imports itself, so that
``minisd --help`` answers at once.
"""

from __future__ import annotations

import io
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from minisd_kernels import backends

from minisd import __version__

if TYPE_CHECKING:
    from minisd.autograd import Array
    from minisd.evaluation import Report

_EXAMPLE = "a thick seven leaning left"
_STRIP_PICTURES, _STRIP_MOMENTS = 8, 9  # more do not fit on a screen


class Failure(click.ClickException):
    """One message, no traceback."""

    exit_code = 2


class Commands(click.Group):
    """Commands whose expected failures are one message and an exit status; a bug keeps its traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader has left, which click passes over in silence
        except Exception as error:
            if (message := _message_for_the_user(error)) is None:
                raise
            raise Failure(message) from error


def _message_for_the_user(error: Exception) -> str | None:
    """What to tell of an error that bad input or a full machine can cause; None for any other."""
    from minisd.checkpoint import CheckpointError
    from minisd.data import DataError
    from minisd.text import TokenizerError
    from minisd.train.loop import TrainingDiverged

    match error:
        case CheckpointError() | DataError() | TokenizerError() | TrainingDiverged() | backends.BackendUnavailable():
            return str(error)
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else str(error)
        case MemoryError():
            return f"not enough memory ({error}); ask for less at a time" if str(error) else "not enough memory"
        case _:
            return None


class FiniteFloat(click.FloatRange):
    """A number that is neither infinite nor NaN, which no range excludes by itself."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class SamplerName(click.types.StringParamType):
    """A sampler; the list of them is imported when one is named, or help is asked for."""

    name = "sampler"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from minisd.diffusion.samplers import SAMPLERS

        if value not in SAMPLERS:
            self.fail(f"no sampler is called {value!r}; choose one of {', '.join(SAMPLERS)}.", param, ctx)
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        from minisd.diffusion.samplers import SAMPLERS

        return f"[{'|'.join(SAMPLERS)}]"


class OutputFile(click.Path):
    """A file to write, of a certain ending or of any."""

    def __init__(self, suffix: str = "") -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.suffix = suffix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = super().convert(value, param, ctx)
        if not str(path).lower().endswith(self.suffix):
            self.fail(f"{str(path)!r} does not end in {self.suffix}.", param, ctx)
        return path


_FOLDER = click.Path(file_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)
_SEED = click.IntRange(min=0)


def _sampling_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--sampler", type=SamplerName(), help="How steps are taken. [default: the model's]"),
        click.option(
            "--guidance",
            type=FiniteFloat(min=0),
            help="How closely to follow the prompt; 0 not at all. [default: the model's]",
        ),
        click.option("--steps", type=_POSITIVE, help="Sampling steps. [default: the model's]"),
        click.option(
            "--model", type=_FOLDER, help="Folder of a trained model. [default: the one that comes with minisd]"
        ),
    ):
        command = option(command)
    return command


@contextmanager
def _checking(option: str) -> Iterator[None]:
    """A ValueError inside is about the value of `option`."""
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="minisd")
@click.option("--backend", type=click.Choice(list(backends.FILES)), help="What computes. [default: numba]")
@click.pass_context
def main(ctx: click.Context, backend: str | None) -> None:
    """Stable Diffusion from scratch in NumPy: a sentence becomes a picture."""
    if backend is not None:
        ctx.with_resource(backends.use_backend(backend))


@main.command()
@click.argument("prompt", required=False)
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with a prompt a line, instead of PROMPT; blank lines are passed over.",
)
@click.option("--num", type=_POSITIVE, default=1, show_default=True, help="Pictures of each prompt.")
@_sampling_options
@click.option("--seed", type=_SEED, default=0, show_default=True, help="The same seed gives the same picture.")
@click.option(
    "--out",
    type=OutputFile(".png"),
    help="The PNG to write, replaced if it is there. [default: named after the prompt, with a number if "
    "that name is taken]",
)
@click.option("--npz", type=OutputFile(), help="Write `images` (N, 28, 28) and `prompts` (N,) to this file, too.")
@click.option("--show-steps", is_flag=True, help="Write OUT-steps.png, too: how the pictures emerge from noise.")
def draw(
    prompt: str | None,
    prompts: Path | None,
    num: int,
    model: Path | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    seed: int,
    out: Path | None,
    npz: Path | None,
    show_steps: bool,
) -> None:  # fmt: skip
    """Draw PROMPT, such as "a thick seven leaning left"."""
    import numpy as np

    from minisd import plots
    from minisd.checkpoint import check_writable
    from minisd.diffusion.schedule import timesteps
    from minisd.pipeline import Pipeline

    if prompts is not None:
        if prompt is not None:
            raise click.UsageError("Give PROMPT or --prompts, not both.")
        texts = _read_prompts(prompts)
    elif prompt is not None:
        texts = [prompt]
    else:
        raise click.UsageError(f'Say what to draw: minisd draw "{_EXAMPLE}"')
    texts = [text for text in texts for _ in range(num)]
    out = out or _free_name(prompts.stem if prompts else texts[0])
    strip = out.with_name(f"{out.stem}-steps.png")
    for path in filter(None, (out, npz, strip if show_steps else None)):
        check_writable(path)
    pipeline = Pipeline.load(model)
    with _checking("--steps"):
        timesteps(pipeline.schedule.steps, steps or pipeline.info.steps)
    for remark in pipeline.remarks(texts):
        click.echo(f"Warning: {remark}", err=True)

    moments: dict[int, Array] = {}

    def watch(step: int, t: int, z_t: Array, z_0: Array) -> None:
        moments.setdefault(t, z_t[:_STRIP_PICTURES])  # of the first batch

    images = pipeline.draw(
        texts, seed=seed, steps=steps, guidance=guidance, sampler=sampler, callback=watch if show_steps else None
    )
    if len(images) == 1:
        plots.save_grid(out, images, scale=10, margin=0)
    else:
        several = len(set(texts)) > 1
        plots.save_grid(out, images, columns=num if several and num > 1 else None, captions=texts if several else None)
    click.echo(f"wrote {out}")
    if show_steps:
        chosen = np.linspace(0, len(moments) - 1, min(len(moments), _STRIP_MOMENTS)).round().astype(int)
        times = [list(moments)[i] for i in chosen]
        frames = [*(pipeline.decode(moments[t]) for t in times), images[:_STRIP_PICTURES]]
        plots.save_strip(strip, np.stack(frames), [*(f"t = {t}" for t in times), "drawn"])
        click.echo(f"wrote {strip}")
    if npz is not None:
        _save_npz(npz, images, texts)
        click.echo(f"wrote {npz}")


def _read_prompts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # -sig: some editors begin the file with a mark
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"{path} is not UTF-8 ({error}); save it again as UTF-8.", param_hint="--prompts"
        ) from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise click.BadParameter(f"{path} holds no prompt; write one a line.", param_hint="--prompts")
    return texts


def _free_name(text: str) -> Path:
    """A name that is not taken, in the current folder: pictures of other seeds are not lost by drawing again."""
    stem = re.sub(r"\W+", "-", text.lower())[:48].strip("-") or "picture"
    names = (Path(f"{stem}{suffix}.png") for suffix in ("", *(f"-{n}" for n in range(2, 10**6))))
    return next(name for name in names if not name.exists())


def _save_npz(path: Path, images: Array, texts: Sequence[str]) -> None:
    import numpy as np

    from minisd.checkpoint import write_atomically

    file = io.BytesIO()
    np.savez_compressed(file, images=images, prompts=np.array(texts))
    write_atomically(path, file.getvalue())


@main.command()
@click.option(
    "--data",
    type=click.Choice(["mnist", "strokes", "folder"]),
    default="mnist",
    show_default=True,
    help="Handwritten digits, digits drawn by code, or a folder of your pictures.",
)
@click.option(
    "--data-dir", type=_FOLDER, help="The folder of pictures, or of MNIST's files. [default: MNIST is fetched]"
)
@click.option("--out", type=_FOLDER, help="Folder of the run, then of the model. [default: runs/DATA]")
@click.option(
    "--minutes",
    type=FiniteFloat(min=0, min_open=True),
    default=14.0,
    show_default=True,
    help="How long the whole training may take.",
)
@click.option("--steps", type=_POSITIVE, help="Steps of each network, instead of --minutes: the same on every machine.")
@click.option("--seed", type=_SEED, default=0, show_default=True, help="The same seed and steps give the same model.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, as it was begun.")
@click.pass_context
def train(
    ctx: click.Context,
    data: str,
    data_dir: Path | None,
    out: Path | None,
    minutes: float,
    steps: int | None,
    seed: int,
    resume: bool,
) -> None:  # fmt: skip
    """Train a model. Ctrl-C stops and saves; --resume goes on."""
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if resume and (others := sorted(set(given) - {"resume", "out"})):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise click.UsageError(f"--resume goes on with the settings that the run was begun with; leave out {options}.")
    if {"minutes", "steps"} <= set(given):
        raise click.UsageError("Give --minutes or --steps, not both.")
    _check_data(data, data_dir)

    from minisd.train.run import Interrupted, Run, Settings

    out = out or Path("runs") / data
    if resume:
        run = Run.resume(out)
    else:
        folder = str(data_dir.resolve()) if data_dir else None  # --resume may come from elsewhere
        run = Run.start(out, Settings(data, folder, seed, minutes, steps))
    try:
        run.train(say=click.echo)
    except Interrupted as stop:
        click.echo(f"{stop}; saved. Go on with: minisd train --resume --out {out}", err=True)
        ctx.exit(130)  # 128 + SIGINT, as shells count
    click.echo(f"the model is in {out}")
    if run.settings.data == "folder":
        click.echo(f"next: minisd draw PROMPT --model {out}")
    else:
        click.echo(f'next: minisd draw "{_EXAMPLE}" --model {out}\n      minisd eval --model {out}')


def _check_data(data: str, data_dir: Path | None) -> None:
    if data == "folder" and data_dir is None:
        raise click.UsageError("--data folder needs --data-dir: the folder with the pictures and captions.csv.")
    if data == "strokes" and data_dir is not None:
        raise click.UsageError("--data strokes is drawn by code; leave out --data-dir.")


@main.command("eval")
@_sampling_options
@click.option(
    "--num",
    type=click.IntRange(min=100),
    default=1000,
    show_default=True,
    help="Drawings, as many of each digit: a multiple of 10.",
)
@click.option("--seed", type=_SEED, default=0, show_default=True)
@click.option(
    "--data",
    type=click.Choice(["mnist", "strokes"]),
    default="mnist",
    show_default=True,
    help="The real digits to compare with.",
)
@click.option("--data-dir", type=_FOLDER, help="The folder of MNIST's files. [default: they are fetched]")
@click.option("--judge", type=_FOLDER, help="Folder of a judge. [default: the one that comes with minisd]")
@click.option("--json", "json_file", type=OutputFile(), help="Write the numbers to this file, too.")
def evaluate(
    model: Path | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    num: int,
    seed: int,
    data: str,
    data_dir: Path | None,
    judge: Path | None,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Measure a model: its drawings against real digits, its VAE and its text encoder."""
    _check_data(data, data_dir)

    from minisd import checkpoint, evaluation
    from minisd.data import load_digits
    from minisd.diffusion.schedule import timesteps
    from minisd.pipeline import Pipeline

    if json_file is not None:
        checkpoint.check_writable(json_file)
    pipeline, of_digits = Pipeline.load(model), evaluation.Judge.load(judge)
    with _checking("--steps"):
        timesteps(pipeline.schedule.steps, steps or pipeline.info.steps)
    real, test = load_digits(data, "train", data_dir), load_digits(data, "test", data_dir)
    with _checking("--num"):
        evaluation.check_count(num, real, test)
    report = evaluation.evaluate(
        pipeline, of_digits, real, test,
        count=num, seed=seed, guidance=guidance, steps=steps, sampler=sampler,
        say=lambda line: click.echo(line, err=True),
    )  # fmt: skip
    for name, value in _table(report, len(test)):
        click.echo(f"{name:<44}{value}".rstrip())
    if json_file is not None:
        checkpoint.save_json(json_file, report.as_json())
        click.echo(f"wrote {json_file}")


def _table(report: Report, test_count: int) -> Iterator[tuple[str, str]]:
    """Name and value of every number; a name carries the number of samples behind it."""
    for part in report.drawings:
        n, (low, high) = part.count, part.accuracy_interval
        by_digit = "  ".join(f"{digit}: {value:.2f}" for digit, value in enumerate(part.accuracy_by_digit))
        yield f"Drawings, told the {part.prompts}", ""
        yield f"  accuracy-{n}", f"{part.accuracy:.3f} (95% interval {low:.3f} to {high:.3f})"
        yield f"  accuracy-{n // 10} of each digit", by_digit
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


@main.command()
@click.option("--out", type=_FOLDER, default=Path("runs/judge"), show_default=True, help="Where the judge is kept.")
@click.option("--minutes", type=FiniteFloat(min=0, min_open=True), default=2.0, show_default=True)
@click.option("--steps", type=_POSITIVE, help="Training steps, instead of --minutes.")
@click.option("--seed", type=_SEED, default=0, show_default=True)
@click.option("--data-dir", type=_FOLDER, help="The folder of MNIST's files. [default: they are fetched]")
def judge(out: Path, minutes: float, steps: int | None, seed: int, data_dir: Path | None) -> None:
    """Train the digit classifier that eval judges with."""
    from minisd.checkpoint import check_writable
    from minisd.data import load_digits
    from minisd.evaluation import Judge
    from minisd.train.classifier import train_judge

    check_writable(out / Judge.FILE)
    real, test = load_digits("mnist", "train", data_dir), load_digits("mnist", "test", data_dir)
    of_digits = Judge(train_judge(real, seed=seed, minutes=minutes, steps=steps))
    of_digits.save(out)
    accuracy = float((of_digits.digits(test.images) == test.labels).mean())
    click.echo(f"accuracy on {len(test):,} test digits: {accuracy:.4f}\nwrote {out / Judge.FILE}")
    click.echo(f"next: minisd eval --judge {out}")


@main.command()
def info() -> None:
    """Say what runs here: versions, backends, threads, data and models."""
    for name, value in _facts():
        click.echo(f"{name:<10}{value}")


def _facts() -> Iterator[tuple[str, str]]:
    yield "minisd", __version__
    yield "Python", f"{platform.python_version()} ({sys.executable})"
    for package in ("numpy", "numba"):
        yield package, _version(package)
    yield "platform", platform.platform()
    yield "CPU", _cpu()
    try:
        yield "backend", backends.current_backend()
    except backends.BackendUnavailable as error:
        yield "backend", f"none: {error}"
    for backend in backends.FILES:
        yield f"  {backend}", backends.missing_reason(backend) or "present"
    # As Numba counts them; asking Numba itself would start it.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "threads", os.environ.get("NUMBA_NUM_THREADS") or str(cores)

    from minisd.data.mnist import FILES, cache_folder
    from minisd.pipeline import shipped_model

    named = os.environ.get("MINISD_DATA")
    data = Path(named) if named else cache_folder() / "mnist"
    files = [name for split in FILES.values() for name in split]
    found = sum((data / name).is_file() or (data / f"{name}.gz").is_file() for name in files)
    yield "MNIST", f"{data}: {found} of {len(files)} files (MINISD_DATA is {'set' if named else 'not set'})"
    model = shipped_model()
    yield "model", f"{model}: {'present' if (model / 'model.json').is_file() else 'missing; make one: minisd train'}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """The processor's name; Linux keeps it where Python does not look."""
    names = Path("/proc/cpuinfo")
    if names.is_file() and (found := re.search(r"^model name\s*:\s*(.+)$", names.read_text(), re.MULTILINE)):
        return found[1]
    return platform.processor() or platform.machine()
