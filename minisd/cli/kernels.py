"""minisd kernels: compile the kernels before they are needed."""

from __future__ import annotations

import os

import click
from minisd_kernels import backends

from minisd.cli.options import Failure


@click.group()
def kernels() -> None:
    """The kernels that everything is computed with."""


@kernels.command("compile")
def compile_command() -> None:
    """Compile Numba's kernels, once for this machine: half a minute on two cores.

    Training does so by itself. Drawing does without: until they are compiled, plain NumPy draws.
    """
    from minisd_kernels.compiling import CACHE

    if CACHE is None:
        raise Failure("there is no folder to keep them in; name one in the variable NUMBA_CACHE_DIR")
    click.echo("compiled" if compile_first() else "they are compiled already")


def is_chosen(ctx: click.Context) -> bool:
    """Whether the user has said what computes."""
    return bool(ctx.find_root().params.get("backend") or os.environ.get("MINISD_BACKEND"))


def compile_first() -> bool:
    """Compile the kernels, in sight, if Numba is to compute and has not compiled them; False if there was no need."""
    from minisd_kernels import warm_up

    if backends.current_backend() != "numba" or warm_up.is_done():
        return False

    from tqdm import tqdm

    for _ in tqdm(warm_up.compile_kernels(), "compiling kernels, once", len(warm_up.CALLS), unit="kernel"):
        pass
    return True
