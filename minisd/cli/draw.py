"""minisd draw: a sentence in, a picture out."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first, is_chosen
from minisd.cli.options import (
    EXAMPLE,
    POSITIVE,
    SEED,
    OutputFile,
    checking,
    device_option,
    own_functions,
    own_option,
    sampling_options,
)
from minisd.cli.outputs import new_files, numbered_files

if TYPE_CHECKING:
    from minisd.autograd import Array
    from minisd.pipeline import Pipeline

_BY_NUMPY = 64  # pictures: NumPy draws so many sooner than Numba has compiled its kernels
_BYTES = 12_000  # of memory for a picture: itself, its place on the sheet, and the file that the sheet becomes
_STDIN = Path("-")
_STRIP_PICTURES, _STRIP_MOMENTS = 8, 9  # more do not fit on a screen


@click.command()
@click.argument("words", nargs=-1, metavar="[PROMPT]")
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A text file with a prompt a line, instead of PROMPT, or - for standard input; blank lines are passed over.",
)
@click.option("--num", type=POSITIVE, default=1, show_default=True, help="Pictures of each prompt.")
@sampling_options
@device_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same picture.")
@click.option(
    "--out",
    type=OutputFile(".png"),
    help="The PNG to write. [default: named after the prompt, with a number if that name is taken]",
)
@click.option("--npz", type=OutputFile(), help="Write `images` (N, 28, 28) and `prompts` (N,) to this file, too.")
@click.option("--show-steps", is_flag=True, help="Write OUT-steps.png, too: how the pictures emerge from noise.")
@own_option
@click.pass_context
def draw(
    ctx: click.Context,
    words: tuple[str, ...],
    prompts: Path | None,
    num: int,
    model: Path | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    device: str,
    seed: int,
    out: Path | None,
    npz: Path | None,
    show_steps: bool,
    own: tuple[Path, ...],
) -> None:  # fmt: skip
    """Draw PROMPT, such as "a thick seven leaning left"."""
    from minisd import plots
    from minisd.diffusion.schedule import timesteps
    from minisd.pipeline import Pipeline
    from minisd.text import in_english

    if len(words) > 1:
        raise click.UsageError(f'Put quotes around a prompt of several words: minisd draw "{" ".join(words)[:80]}"')
    if prompts is not None:
        if words:
            raise click.UsageError("Give PROMPT or --prompts, not both.")
        texts = _read_prompts(prompts)
    elif words:
        texts = [*words]
    else:
        raise click.UsageError(f'Say what to draw: minisd draw "{EXAMPLE}"')
    require_device(device)
    pipeline = Pipeline.load(model)
    steps = steps or pipeline.info.steps
    with checking("--steps"):
        timesteps(pipeline.schedule.steps, steps)
    with checking("--num"):
        pipeline.check_count(num * len(texts), bytes_each=_BYTES + 4 * max(map(len, texts)))
    if out is not None:
        pictures = new_files(out, out.with_name(f"{out.stem}-steps.png") if show_steps else None)
    else:
        name = texts[0] if prompts is None else "prompts" if prompts == _STDIN else prompts.stem
        stem = re.sub(r"\W+", "-", name.lower())[:48].strip("-") or "picture"
        pictures = numbered_files(stem, ".png", *(["-steps.png"] if show_steps else []))
    paths = ctx.with_resource(pictures)
    ctx.with_resource(new_files(npz))
    for remark in pipeline.remarks(texts):
        click.echo(f"Warning: {remark}", err=True)

    several, texts = len(set(texts)) > 1, [text for text in texts for _ in range(num)]
    if device == "cpu":
        _choose_backend(ctx, len(texts))
    pipeline.to(device)
    if own:
        sampler = ctx.with_resource(own_functions(own, device, unused=("backward",))) or sampler
    images, moments = _draw(pipeline, texts, seed=seed, steps=steps, guidance=guidance, sampler=sampler)
    if len(images) == 1:
        plots.save_grid(paths[0], images, scale=10, margin=0)
    else:
        columns = num if several and num > 1 else None
        plots.save_grid(paths[0], images, columns=columns, captions=list(map(in_english, texts)) if several else None)
    if show_steps:
        _save_moments(paths[1], pipeline, moments, images)
    if npz is not None:
        _save_npz(npz, images, texts)
    for path in (*paths, *filter(None, [npz])):
        click.echo(f"wrote {path}")


def _draw(pipeline: Pipeline, texts: Sequence[str], *, steps: int, **options: Any) -> tuple[Array, dict[int, Array]]:
    """The pictures, drawn in sight, and the latents of the first ones on their way: t -> z_t."""
    from tqdm import tqdm

    from minisd.pipeline import BATCH

    moments: dict[int, Array] = {}
    total = steps * -(-len(texts) // BATCH)
    # Nothing is shown of what is over in a second, and nothing at all where nobody looks.
    with tqdm(total=total, desc="drawing", unit="step", delay=1, leave=False, disable=None, dynamic_ncols=True) as bar:

        def watch(step: int, t: int, z_t: Array, z_0: Array) -> None:
            moments.setdefault(t, z_t[:_STRIP_PICTURES])  # of the first batch
            bar.update()

        return pipeline.draw(texts, steps=steps, callback=watch, **options), moments


def _save_moments(path: Path, pipeline: Pipeline, moments: dict[int, Array], images: Array) -> None:
    """How the pictures emerge from noise, a column a moment."""
    import numpy as np

    from minisd import plots

    chosen = np.linspace(0, len(moments) - 1, min(len(moments), _STRIP_MOMENTS)).round().astype(int)
    times = [list(moments)[i] for i in chosen]
    frames = [*(pipeline.decode(moments[t]) for t in times), images[:_STRIP_PICTURES]]
    plots.save_strip(path, np.stack(frames), [*(f"t = {t}" for t in times), "drawn"])


def _choose_backend(ctx: click.Context, pictures: int) -> None:
    """Plain NumPy for a few pictures, unless the user has chosen or the kernels are compiled; then those."""
    from minisd_kernels import backends, warm_up

    if pictures > _BY_NUMPY:
        compile_first()
    elif not is_chosen(ctx) and backends.missing_reason("numba") is None and not warm_up.is_done():
        click.echo("drawing with plain NumPy; minisd kernels compile makes the fast kernels, once", err=True)
        ctx.with_resource(backends.use_backend("numpy"))


def _read_prompts(path: Path) -> list[str]:
    name = "standard input" if path == _STDIN else str(path)
    text = sys.stdin.buffer.read() if path == _STDIN else path.read_bytes()
    try:
        lines = text.decode("utf-8-sig").splitlines()  # -sig: some editors begin the file with a mark
    except UnicodeDecodeError as error:
        raise click.BadParameter(
            f"{name} is not UTF-8 ({error}); save it again as UTF-8.", param_hint="--prompts"
        ) from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise click.BadParameter(f"{name} holds no prompt; write one a line.", param_hint="--prompts")
    return texts


def _save_npz(path: Path, images: Array, texts: Sequence[str]) -> None:
    import numpy as np

    from minisd.checkpoint import write_atomically

    file = io.BytesIO()
    np.savez_compressed(file, images=images, prompts=np.array(texts))
    write_atomically(path, file.getvalue())
