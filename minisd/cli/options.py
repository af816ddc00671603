"""What commands share: kinds of values, options, and the failure that is one message."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from minisd_kernels.devices import DEVICES

from minisd.data.sets import DATA_SETS

EXAMPLE = "a thick seven leaning right"
POSITIVE = click.IntRange(min=1)
SEED = click.IntRange(min=0)


class Failure(click.ClickException):
    """One message, no traceback."""

    exit_code = 2


class Folder(click.Path):
    """A folder. The empty name, which a shell makes of a variable that is not set, would be the folder one is in."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("the name is empty; the folder that you are in is called '.'", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = Folder()


class FiniteFloat(click.FloatRange):
    """A number that is neither infinite nor NaN, which no range excludes by itself."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


GUIDANCE = FiniteFloat(min=0)


class Several(click.types.StringParamType):
    """Values with commas between them; the same one twice is once."""

    def __init__(self, each: Any) -> None:
        self.each, self.name = each, each.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = str(value).split(",")
        return list(dict.fromkeys(self.each.convert(part.strip(), param, ctx) for part in parts))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"{self.name.upper()}[,...]"


class _Listed(click.types.StringParamType):
    """A name of a list, which is imported when one is named, or help is asked for."""

    def names(self) -> list[str]:
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.names():
            self.fail(f"no {self.name} is called {value!r}; choose one of {', '.join(self.names())}.", param, ctx)
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self.names())}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


class SamplerName(_Listed):
    name = "sampler"

    def names(self) -> list[str]:
        from minisd.diffusion.samplers import SAMPLERS

        return [*SAMPLERS]


class SpacingName(_Listed):
    name = "spacing"

    def names(self) -> list[str]:
        from minisd.diffusion.spacing import SPACINGS

        return [*SPACINGS]


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


class Size(click.types.StringParamType):
    """A height and a width: 572, or 572x388."""

    name = "size"

    def __init__(self, min: int = 1, example: str = "572, or 572x388") -> None:
        self.min, self.example = min, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parts = str(value).split("x")
        if len(parts) > 2 or not all(part.isdecimal() and len(part) < 10 and int(part) >= self.min for part in parts):
            self.fail(f"{value!r} is no size; write {self.example} for height and width.", param, ctx)
        return int(parts[0]), int(parts[-1])


device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="cpu",
    show_default=True,
    help="What computes: the CPU, an NVIDIA GPU (cuda), or the GPU's kernels on the CPU, slowly (emu).",
)


model_option = click.option(
    "--model", type=FOLDER, help="Folder of a trained model. [default: the one that comes with minisd]"
)


judge_option = click.option("--judge", type=FOLDER, help="Folder of a judge. [default: the one that comes with minisd]")


def sampling_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--few",
            type=POSITIVE,
            help="Draw in 1, 2 or 4 steps, by the network that was distilled for it (minisd train --stage few).",
        ),
        click.option("--spacing", type=SpacingName(), help="Which times the steps visit. [default: the model's]"),
        click.option("--sampler", type=SamplerName(), help="How steps are taken. [default: the model's]"),
        click.option("--steps", type=POSITIVE, help="Sampling steps. [default: the model's]"),
    ):
        command = option(command)
    return command


guidance_option = click.option(
    "--guidance",
    type=GUIDANCE,
    help="How closely to follow the prompt; 0 not at all. [default: the model's]",
)


def check_few_alone(few: int | None, **given: Any) -> None:
    """Refuse with --few whatever was settled when the network for few steps was distilled.

    Raises:
        click.UsageError: one of the options was `given`.
    """
    if few is not None and (unused := [name for name, value in given.items() if value is not None]):
        raise click.UsageError(
            "--few begins with noise, and draws with the steps and the guidance that were distilled; leave out "
            f"--{unused[0].replace('_', '-')}, or --few."
        )


@contextmanager
def checking(option: str) -> Iterator[None]:
    """A ValueError inside is about the value of `option`."""
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def data_options(*measured: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """--data and --data-dir: of all data sets, or of those that drawings can be so measured by."""
    sets = {name: one for name, one in DATA_SETS.items() if one.measured in measured or not measured}
    where = "The folder of MNIST's files. [default: they are fetched]"
    if not measured:
        where = "The folder of your pictures or IDX files, or of MNIST's files. [default: MNIST is fetched]"

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        about = "; ".join(f"{name}, {one.about}" for name, one in sets.items())
        command = click.option("--data-dir", type=FOLDER, help=where)(command)
        choice = click.Choice(list(sets))
        return click.option("--data", type=choice, default="mnist", show_default=True, help=f"{about}.")(command)

    return with_options


@contextmanager
def stoppable(ctx: click.Context, what_is_left: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C or SIGTERM inside ends the command with one line and the exit status that shells give to signals."""
    try:
        yield
    except KeyboardInterrupt as stop:  # of a training that was asked to stop, with what it was doing and the signal
        click.echo(f"{str(stop) or 'stopped'}; {what_is_left()}", err=True)
        ctx.exit(128 + getattr(stop, "signum", signal.SIGINT))


def check_data(data: str, data_dir: Path | None) -> None:
    if DATA_SETS[data].folder == "needed" and data_dir is None:
        raise click.UsageError(f"--data {data}, {DATA_SETS[data].about}, needs --data-dir: the folder they are in.")
    if DATA_SETS[data].folder == "none" and data_dir is not None:
        raise click.UsageError(f"--data {data} is in no folder; leave out --data-dir.")


own_option = click.option(
    "--with",
    "own",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A Python file with a conv2d, attention, backward or sampler of your own: it runs in the library's place.",
)


@contextmanager
def own_functions(files: Sequence[Path], device: str, unused: Sequence[str]) -> Iterator[str | None]:
    """The user's own functions in the library's place, and how often they were called; gives the sampler's name.

    Args:
        files: those of --with.
        device: they run NumPy arrays alone.
        unused: kinds of functions that the command does not run.
    """
    from minisd.course.plug import plugged

    if device != "cpu":
        raise click.UsageError(f"--with runs NumPy arrays, and --device {device} has others; leave one out.")
    with plugged(*files) as parts:
        for name in parts.calls:
            kind = "sampler" if parts.sampler == f"your {name}" else name
            if kind in unused:
                other = {"sampler": "minisd draw", "backward": "minisd train"}[kind]
                raise click.UsageError(f"{name} is not run here: --with takes it for {other}.")
        yield parts.sampler
        for name, calls in parts.calls.items():
            click.echo(f"your {name} was called {calls:,} time{'s' if calls != 1 else ''}")
