"""minisd draw: a sentence in, a picture out."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first, is_chosen
from minisd.cli.options import EXAMPLE, POSITIVE, SEED, OutputFile, checking, device_option, sampling_options

if TYPE_CHECKING:
    from minisd.autograd import Array

_BY_NUMPY = 64  # pictures: NumPy draws so many sooner than Numba has compiled its kernels
_STRIP_PICTURES, _STRIP_MOMENTS = 8, 9  # more do not fit on a screen


@click.command()
@click.argument("prompt", required=False)
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with a prompt a line, instead of PROMPT; blank lines are passed over.",
)
@click.option("--num", type=POSITIVE, default=1, show_default=True, help="Pictures of each prompt.")
@sampling_options
@device_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same picture.")
@click.option(
    "--out",
    type=OutputFile(".png"),
    help="The PNG to write, replaced if it is there. [default: named after the prompt, with a number if "
    "that name is taken]",
)
@click.option("--npz", type=OutputFile(), help="Write `images` (N, 28, 28) and `prompts` (N,) to this file, too.")
@click.option("--show-steps", is_flag=True, help="Write OUT-steps.png, too: how the pictures emerge from noise.")
@click.pass_context
def draw(
    ctx: click.Context,
    prompt: str | None,
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
        raise click.UsageError(f'Say what to draw: minisd draw "{EXAMPLE}"')
    require_device(device)
    texts = [text for text in texts for _ in range(num)]
    out = out or _free_name(prompts.stem if prompts else texts[0])
    strip = out.with_name(f"{out.stem}-steps.png")
    for path in filter(None, (out, npz, strip if show_steps else None)):
        check_writable(path)
    pipeline = Pipeline.load(model)
    with checking("--steps"):
        timesteps(pipeline.schedule.steps, steps or pipeline.info.steps)
    for remark in pipeline.remarks(texts):
        click.echo(f"Warning: {remark}", err=True)

    if device == "cpu":
        _choose_backend(ctx, len(texts))
    pipeline.to(device)
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


def _choose_backend(ctx: click.Context, pictures: int) -> None:
    """Plain NumPy for a few pictures, unless the user has chosen or the kernels are compiled; then those."""
    from minisd_kernels import backends, warm_up

    if pictures > _BY_NUMPY:
        compile_first()
    elif not is_chosen(ctx) and backends.missing_reason("numba") is None and not warm_up.is_done():
        click.echo("drawing with plain NumPy; minisd kernels compile makes the fast kernels, once", err=True)
        ctx.with_resource(backends.use_backend("numpy"))


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
