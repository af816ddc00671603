"""The command line, one file a command.

A command checks first what is cheap to check, then loads, then works. Its file is imported when it is called, and what
it needs it imports itself, so that ``minisd --help`` and ``minisd shapes`` answer at once.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click
from minisd_kernels import backends, switches

from minisd import __version__
from minisd.cli.options import POSITIVE, Failure, checking

# The file of each command, and the command's name in it.
COMMANDS = {
    "draw": ("draw", "draw"),
    "train": ("train", "train"),
    "eval": ("evaluate", "evaluate"),
    "curve": ("curve", "curve"),
    "hires": ("hires", "hires"),
    "judge": ("judge", "judge"),
    "segment": ("segment", "segment"),
    "shapes": ("shapes", "shapes"),
    "claims": ("claims", "claims"),
    "animate": ("animate", "animate"),
    "samplers": ("samplers", "samplers"),
    "words": ("words", "words"),
    "bench": ("bench", "bench"),
    "kernels": ("kernels", "kernels"),
    "tutorials": ("course", "tutorials"),
    "course": ("course", "course"),
    "info": ("info", "info"),
}


class Commands(click.Group):
    """Commands whose expected failures are one message and an exit status; a bug keeps its traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        file, function = COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(f"minisd.cli.{file}"), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            if error.ctx is not None and error.option_name in {option for p in self.params for option in p.opts}:
                where = f"It stands before the command: minisd {error.option_name} ... {error.ctx.info_name}"
                raise click.UsageError(f"{error.message} {where}", error.ctx) from error
            raise
        except BrokenPipeError:
            raise  # the reader has left, which click passes over in silence
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None  # 128 + SIGINT, as shells count
        except Exception as error:
            if (message := _message_for_the_user(error)) is None:
                raise
            raise Failure(message) from error


def _message_for_the_user(error: Exception) -> str | None:
    """What to tell of an error that bad input or a full machine can cause; None for any other."""
    from minisd_kernels.shapes import ShapeError

    from minisd.checkpoint import CheckpointError
    from minisd.course.exercise import CourseError
    from minisd.data import DataError
    from minisd.pipeline import SamplingDiverged
    from minisd.shapes.onnx import OnnxError
    from minisd.shapes.report.text import TextError
    from minisd.text import TokenizerError
    from minisd.text.weights import PromptError
    from minisd.train.loop import TrainingDiverged

    match error:
        case (
            CheckpointError() | CourseError() | DataError() | OnnxError() | ShapeError() | TextError()
            | TokenizerError() | PromptError() | SamplingDiverged() | TrainingDiverged() | backends.BackendUnavailable()
        ):  # fmt: skip
            return str(error)
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else str(error)
        case ImportError() if "failed to map segment" in str(error) or "allocate memory" in str(error):
            return f"not enough memory to load what is needed ({error})"
        case MemoryError():
            return f"not enough memory ({error}); ask for less at a time" if str(error) else "not enough memory"
        case _:
            return None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="How it all works, step by step: minisd tutorials. To write it yourself: minisd course.",
)
@click.version_option(__version__, prog_name="minisd")
@click.option("--backend", type=click.Choice(list(backends.FILES)), help="What computes. [default: numba]")
@click.option("--threads", type=POSITIVE, help="How many threads the kernels take. [default: one a core]")
@click.pass_context
def main(ctx: click.Context, backend: str | None, threads: int | None) -> None:
    """Stable Diffusion from scratch in NumPy: a sentence becomes a picture."""
    with checking("NUMBA_NUM_THREADS"):
        switches.threads_asked_for()
    if threads is not None:
        with checking("--threads"):
            ctx.with_resource(switches.use_threads(threads))
    if backend is not None:
        ctx.with_resource(backends.use_backend(backend))
