"""minisd kernels: compile the CPU's kernels before they are needed; say what the GPU's take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from minisd_kernels import backends, devices
from minisd_kernels.cuda.inspect.occupancy import LIMITS

from minisd.cli.options import Failure, OutputFile
from minisd.cli.outputs import new_files

if TYPE_CHECKING:
    from minisd_kernels.cuda.inspect.report import Figures

_ARCHITECTURE = click.Choice([str(arch) for arch in LIMITS])


@click.group()
def kernels() -> None:
    """The kernels that everything is computed with."""


@kernels.command("compile")
def compile_command() -> None:
    """Compile Numba's kernels, once for this machine: half a minute on two cores.

    Training does so by itself. Drawing does without: until they are compiled, plain NumPy draws.
    """
    from minisd_kernels import kernel_cache

    backends.require("numba")
    if kernel_cache.folder() is None:
        raise Failure("there is no folder to keep them in; name one in the variable NUMBA_CACHE_DIR")
    click.echo("compiled" if compile_first() else "they are compiled already")


@kernels.command("report")
@click.option(
    "--arch", "architectures", type=_ARCHITECTURE, multiple=True, help="Only this, 80 for sm_80. [default: all]"
)
@click.option("--only", metavar="TEXT", help="Only kernels whose file or name contains TEXT.")
@click.option("--json", "json_file", type=OutputFile(), help="Write every figure to this file, too.")
@click.option("--record", is_flag=True, help="Make the figures the budgets that tests hold the kernels to.")
@click.pass_context
def report_command(
    ctx: click.Context, architectures: tuple[str, ...], only: str | None, json_file: Path | None, record: bool
) -> None:
    """Compile every CUDA kernel, without a GPU, and say what it takes.

    Registers, shared memory and the size of blocks decide how many warps a GPU runs at once. What no longer fits into
    registers is spilled to memory.
    """
    from minisd_kernels.cuda.inspect import budgets, table

    from minisd.checkpoint import save_json

    if record and (architectures or only):
        raise click.UsageError("--record takes every kernel on every architecture; leave out --arch and --only.")
    ctx.with_resource(new_files(json_file))
    figures = _figures(sorted({int(arch) for arch in architectures}) or list(LIMITS), only or "")
    for line in table.lines(figures):
        click.echo(line)
    if json_file is not None:
        save_json(json_file, table.as_json(figures))
        click.echo(f"\nwrote {json_file}")
    if record:
        budgets.record(figures)
        click.echo(f"\nwrote {budgets.FILE}")


def _figures(architectures: list[int], only: str) -> list[Figures]:
    """What the compiler makes of the kernels whose file or name contains `only`."""
    from minisd_kernels.cuda.inspect.report import all_sources, compile_all, file_of
    from tqdm import tqdm

    sources = all_sources()
    chosen = [source for source in sources if any(only in f"{file_of(source)} {name}" for name in source.instances)]
    jobs = compile_all(chosen, architectures, disassemble=architectures[-1:])
    done = list(tqdm(jobs, "compiling", len(chosen) * len(architectures), unit="file", leave=False))
    if problems := [compilation.problem for compilation in done if compilation.problem]:
        raise Failure("\n\n".join(problems))
    figures = [figures for compilation in done for figures in compilation.figures]
    if not (wanted := [one for one in figures if only in f"{one.file} {one.instance}"]):
        names = ", ".join(file_of(source) for source in sources)
        on = ", ".join(f"sm_{arch}" for arch in architectures)
        raise click.BadParameter(f"no kernel for {on} contains {only!r}; the files are {names}.", param_hint="--only")
    return wanted


@kernels.command()
@click.argument("operation")
@click.option("--lines", type=click.IntRange(min=0), default=3, show_default=True, help="Lines of the source to name.")
def trace(operation: str, lines: int) -> None:
    """Count what the CUDA kernels of OPERATION ask of memory; no GPU is needed.

    The kernels run on the CPU, on small arrays. A warp's accesses to global memory are served in sectors of 32 bytes,
    those to shared memory in rounds in which each of 32 banks gives one word: how many of them were of use says how
    well neighbouring threads share.
    """
    devices.require_device("emu")

    from minisd_kernels.emulator.inspect import trace as tracing
    from minisd_kernels.examples import operations

    if operation not in (names := operations()):
        raise click.BadParameter(f"choose one of {', '.join(names)}.", param_hint="OPERATION")
    for example in tracing.to_trace(operation):
        traced = list(tracing.trace(example))
        click.echo(f"{operation}, {example.shapes}\n")
        for text in tracing.table(traced):
            click.echo(text)
        for each in traced if lines else []:
            click.echo(f"\n{each.name}")
            for text in tracing.worst_lines(each, lines):
                click.echo(text)


def is_chosen(ctx: click.Context) -> bool:
    """Whether the user has said what computes."""
    return bool(ctx.find_root().params.get("backend") or os.environ.get("MINISD_BACKEND"))


def compile_first(device: str = "cpu") -> bool:
    """Compile the kernels, in sight, if Numba is to compute on `device` and has not compiled them; False if there was
    no need."""
    from minisd_kernels import warm_up

    if device != "cpu" or backends.current_backend() != "numba" or warm_up.is_done():
        return False

    from tqdm import tqdm

    for _ in tqdm(warm_up.compile_kernels(), "compiling kernels, once", len(warm_up.jobs()), unit="kernel"):
        pass
    return True
