"""minisd draw: a sentence in, a picture out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from minisd_kernels.devices import require_device

from minisd.cli.drawing_options import drawing_options, file_and_scale, what_is_asked
from minisd.cli.kernels import compile_first, is_chosen
from minisd.cli.options import (
    EXAMPLE,
    POSITIVE,
    SEED,
    OutputFile,
    check_few_alone,
    checking,
    device_option,
    guidance_option,
    model_option,
    own_functions,
    own_option,
    sampling_options,
)
from minisd.cli.pictures import counted, hold_files, how_drawn, save_arrays, save_moments, save_sheet, show, watched

_BY_NUMPY = 64  # pictures: NumPy draws so many sooner than Numba has compiled its kernels
_BYTES = 16  # of memory for a number of a picture: itself, its place on the sheet, and the file that the sheet becomes
_STDIN = Path("-")
_NOT_WITH_FEW = ("guidance_rescale", "guidance_interval", "init", "strength", "mask", "resample")
_ON_A_WAY = 9  # pictures from one prompt or seed to another


@click.command(short_help='Draw a sentence, such as "a thick seven".')
@click.argument("words", nargs=-1, metavar="[PROMPT]")
@click.option(
    "--prompts",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="A text file with a prompt a line, instead of PROMPT, or - for standard input; blank lines are passed over.",
)
@click.option("--num", type=POSITIVE, default=1, show_default=True, help="Pictures of each prompt.")
@model_option
@sampling_options
@guidance_option
@drawing_options
@device_option
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed gives the same picture.")
@click.option(
    "--out",
    type=OutputFile(".png"),
    help="The PNG to write. [default: named after the prompt, with a number if that name is taken]",
)
@click.option("--npz", type=OutputFile(), help="Write `images` (N, H, W) and `prompts` (N,) to this file, too.")
@click.option("--show-steps", is_flag=True, help="Write OUT-steps.png, too: how the pictures emerge from noise.")
@click.option("--columns", type=POSITIVE, help="Pictures in a row of the PNG. [default: --num of several prompts]")
@click.option("--open", "open_it", is_flag=True, help="Look at the PNG with the system's viewer.")
@own_option
@click.pass_context
def draw(
    ctx: click.Context,
    /,
    words: tuple[str, ...],
    prompts: Path | None,
    num: int,
    model: Path | None,
    few: int | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    spacing: str | None,
    device: str,
    seed: int,
    out: Path | None,
    npz: Path | None,
    show_steps: bool,
    columns: int | None,
    open_it: bool,
    own: tuple[Path, ...],
    **asked: Any,
) -> None:  # fmt: skip
    """Draw PROMPT, such as "a thick seven leaning right"; `minisd info FILE` says how a picture was drawn."""
    from minisd import plots
    from minisd.checkpoint import digest
    from minisd.diffusion.spacing import make_levels
    from minisd.pipeline import BATCH, Pipeline
    from minisd.pipeline.enlarging import enlarge
    from minisd.pipeline.few_steps import check_few
    from minisd.pipeline.given import SAMPLER, steps_from

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
    on_a_way = asked["to"] is not None or asked["to_seed"] is not None
    if on_a_way and asked["variation"] is not None:
        raise click.UsageError("--vary draws around one picture, --to and --to-seed lead away from it; leave one out.")
    if on_a_way and prompts is not None:
        raise click.UsageError("--to and --to-seed lead away from one PROMPT; leave out --prompts.")
    if on_a_way and ctx.get_parameter_source("num") is ParameterSource.DEFAULT:
        num = _ON_A_WAY
    if on_a_way and num < 2:
        raise click.BadParameter("a way takes 2 pictures or more.", param_hint="--num")
    check_few_alone(
        few, steps=steps, sampler=sampler, spacing=spacing, guidance=guidance, negative=asked["negative_prompt"],
        **{name: asked[name] for name in _NOT_WITH_FEW},
    )  # fmt: skip
    require_device(device)
    pipeline = Pipeline.load(model)
    with checking("--lora"):
        for path, scale in map(file_and_scale, asked.pop("lora")):
            pipeline.add_lora(path, scale)
    if few is not None:
        with checking("--few"):
            check_few(pipeline, few)
    taken = few or steps or pipeline.info.steps
    with checking("--steps"):
        make_levels(pipeline.schedule, taken)
    wishes = what_is_asked(pipeline, asked)
    larger = {name: wishes.pop(name) for name in ("size", "hires") if name in wishes}
    side, _, channels = pipeline.picture_shape
    with checking("--num"):
        numbers = larger.get("size", side) ** 2 * channels
        pipeline.check_count(num * len(texts), bytes_each=_BYTES * numbers + 4 * max(map(len, texts)))
    name = texts[0] if prompts is None else "prompts" if prompts == _STDIN else prompts.stem
    remarks = pipeline.remarks([*texts, asked["negative_prompt"] or "", asked["to"] or ""])
    if guidance == 1 and asked["negative_prompt"] is not None:
        remarks.append("at --guidance 1 the prompt alone is asked, and --negative is not heard; try --guidance 2")
    files = hold_files(ctx, name, out, npz, strip=show_steps, film=on_a_way)
    for remark in remarks:
        click.echo(f"Warning: {remark}", err=True)

    distinct, texts = texts, [text for text in texts for _ in range(num)]
    if device == "cpu":
        _choose_backend(ctx, len(texts))
    pipeline.to(device)
    if "mask_image" in wishes:
        sampler = sampler or SAMPLER
    own_sampler = ctx.with_resource(own_functions(own, device, unused=("backward",))) if own else None
    if few is not None and own_sampler is not None:
        raise click.UsageError("--few takes steps of its own, not those of a sampler; leave out --few, or the sampler.")
    steps_each = steps_from(taken, wishes.get("strength", 1)) * wishes.get("resample", 1)
    with watched(steps_each * -(-len(texts) // BATCH)) as (watch, moments):
        images = pipeline.draw(
            texts,
            seed=seed,
            few=few,
            steps=taken if few is None else None,
            guidance=guidance,
            sampler=own_sampler or sampler,
            spacing=spacing,
            callback=watch,
            **wishes,
        )
    if larger:
        with counted(len(texts), "enlarging") as tell:
            images = enlarge(pipeline, images, texts, seed=seed, watch=tell, **larger)
    settings, chosen = pipeline.info, {}
    if few is None:  # else all of these are settled
        chosen = {
            "steps": taken, "sampler": None if own_sampler else sampler or settings.sampler,
            "guidance": settings.guidance if guidance is None else guidance, "spacing": spacing or settings.spacing,
        }  # fmt: skip
    about = how_drawn(
        ctx, model, distinct, seed=seed, **chosen,
        **{name: value for name, value in wishes.items() if name in ("strength", "resample")},
        **({"num": num} if on_a_way else {}),
    )  # fmt: skip
    if pipeline.loras:
        about["lora_sha256"] = [digest(lora.path) for lora, _ in pipeline.loras]
    save_sheet(files.sheet, images, distinct, num, num if on_a_way and columns is None else columns, about)
    if files.strip is not None:
        save_moments(files.strip, pipeline, moments, images, about)
    if files.film is not None:
        plots.save_film(files.film, images)
    if files.arrays is not None:
        save_arrays(files.arrays, images, texts)
    for path in filter(None, files):
        click.echo(f"wrote {path}")
    if open_it:
        show(files.sheet)


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
