"""What is seen of a drawing: a bar while it goes, the files it becomes, and what they say of how they were drawn."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource
from minisd_kernels import backends

from minisd import __version__
from minisd.cli.outputs import new_files, numbered_files

if TYPE_CHECKING:
    from minisd.autograd import Array
    from minisd.pipeline import Pipeline

_STRIP_PICTURES, _STRIP_MOMENTS = 8, 9  # more do not fit on a screen
OUTPUTS = ("out", "npz", "json_file", "show_steps", "columns", "open_it")  # options that say where to, not what


class Files(NamedTuple):
    """What a drawing becomes: a sheet of its pictures, a strip of how they emerged, a film, and their arrays."""

    sheet: Path
    strip: Path | None
    film: Path | None
    arrays: Path | None


def hold_files(ctx: click.Context, name: str, out: Path | None, npz: Path | None, *, strip: bool, film: bool) -> Files:
    """Hold the files while the command `ctx` runs: under the names that the user gave, or one made of `name`."""
    endings = [".png", *["-steps.png"] * strip, *[".gif"] * film]
    if out is not None:
        pictures = new_files(out, *(out.with_name(out.stem + ending) for ending in endings[1:]))
    else:
        stem = re.sub(r"\W+", "-", name.lower())[:48].strip("-") or "picture"
        pictures = numbered_files(stem, *endings)
    paths = iter(ctx.with_resource(pictures))
    ctx.with_resource(new_files(npz))
    return Files(next(paths), next(paths) if strip else None, next(paths) if film else None, npz)


@contextmanager
def watched(steps: int) -> Iterator[tuple[Callable[[int, float, Array, Array], None], dict[float, Array]]]:
    """A bar of so many steps; gives what ``Pipeline.draw`` is to call after each, and the latents of the first pictures
    on their way, t -> z_t."""
    from tqdm import tqdm

    moments: dict[float, Array] = {}
    # Nothing is shown of what is over in two seconds, and nothing at all where nobody looks.
    with tqdm(total=steps, desc="drawing", unit="step", delay=2, leave=False, disable=None, dynamic_ncols=True) as bar:

        def watch(step: int, t: float, z_t: Array, z_0: Array) -> None:
            moments.setdefault(t, z_t[:_STRIP_PICTURES])  # of the first batch
            bar.update()

        yield watch, moments


@contextmanager
def counted(total: int, what: str) -> Iterator[Callable[[float], bool | None]]:
    """A bar of so many things to do; gives what is to be called with how many were done."""
    from tqdm import tqdm

    with tqdm(total=total, desc=what, delay=2, leave=False, disable=None, dynamic_ncols=True) as bar:
        yield bar.update


def say_beside_bar(line: str) -> None:
    """A line on standard error, over the bar if there is one."""
    from tqdm import tqdm

    with tqdm.external_write_mode():
        click.echo(line, err=True)


def save_sheet(
    path: Path, images: Array, prompts: Sequence[str], num: int, columns: int | None, about: dict[str, Any]
) -> None:
    """All pictures, `num` of each prompt; the prompts stand there if they are several."""
    from minisd import plots
    from minisd.text import in_english

    names = [in_english(prompt) for prompt in prompts]
    several = len(set(prompts)) > 1
    if several and (missing := plots.missing_letters("".join(names))):
        click.echo(f"Warning: the sheet has no letters for {missing[:40]}: a question mark stands for each", err=True)
    if several and num > 1 and columns in (None, num):
        plots.save_grid(path, images, num, names=names, about=about)
    else:
        captions = [name for name in names for _ in range(num)] if several else None
        plots.save_grid(path, images, columns, captions=captions, about=about)


def save_moments(
    path: Path, pipeline: Pipeline, moments: dict[float, Array], images: Array, about: dict[str, Any]
) -> None:
    """How the pictures emerge from noise, a column a moment."""
    import numpy as np

    from minisd import plots

    chosen = np.linspace(0, len(moments) - 1, min(len(moments), _STRIP_MOMENTS)).round().astype(int)
    times = [list(moments)[i] for i in chosen]
    small = [pipeline.decode(moments[t]) for t in times]
    factor = images.shape[1] // small[0].shape[1]  # more than 1 for drawings that grew at last
    frames = [*(frame.repeat(factor, axis=1).repeat(factor, axis=2) for frame in small), images[:_STRIP_PICTURES]]
    plots.save_strip(path, np.stack(frames), [*(f"t = {t:.0f}" for t in times), "drawn"], about=about)


def save_arrays(path: Path, images: Array, texts: Sequence[str]) -> None:
    import numpy as np

    from minisd.checkpoint import write_atomically

    file = io.BytesIO()
    np.savez_compressed(file, images=images, prompts=np.array(texts))
    write_atomically(path, file.getvalue())


def how_drawn(ctx: click.Context, model: Path | None, prompts: Sequence[str], **chosen: Any) -> dict[str, Any]:
    """What a picture says of itself: its settings, and the command that draws it again.

    Args:
        ctx: of the command that draws.
        model: the folder of its model, None for the one that comes with minisd.
        chosen: what belongs into the command even if the user left it out, with the values that were taken.
    """
    from minisd.checkpoint import digest
    from minisd.pipeline import shipped_model

    settings, command = {}, ["minisd", str(ctx.info_name)]
    for parameter in ctx.command.get_params(ctx):
        name = str(parameter.name)
        value = chosen.get(name, ctx.params.get(name))
        if name in OUTPUTS or value is None or value is False or value == ():
            continue
        values = [str(each) for each in value] if isinstance(value, tuple | list) else [str(value)]
        if not isinstance(parameter, click.Option):
            command += values
            continue
        settings[name] = value if isinstance(value, bool | int | float | str) else ", ".join(values)
        if name in chosen or ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
            for each in values:
                command += [parameter.opts[0]] if parameter.is_flag else [parameter.opts[0], each]
    settings.pop("prompts", None)  # the file; the texts themselves are told
    settings["model"] = "the one that comes with minisd" if model is None else str(model)
    return {
        "prompts": list(prompts),
        **settings,
        "model_sha256": digest((shipped_model() if model is None else model) / "model.json"),
        "backend": backends.current_backend(),
        "minisd": __version__,
        "command": shlex.join(command),
    }


def show(path: Path) -> None:
    """Look at a picture with the system's own viewer; where there is none, say so."""
    linux_without_screen = sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}
    if linux_without_screen or click.launch(str(path.resolve())):
        click.echo(f"there is no viewer here to open {path} with", err=True)
