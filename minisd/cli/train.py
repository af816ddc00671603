"""minisd train: pictures with captions in, a model out."""

from __future__ import annotations

import dataclasses
import shlex
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource
from minisd_kernels.devices import require_device

from minisd.cli.kernels import compile_first
from minisd.cli.options import (
    EXAMPLE,
    FOLDER,
    POSITIVE,
    SEED,
    FiniteFloat,
    Size,
    check_data,
    checking,
    data_options,
    device_option,
    own_functions,
    own_option,
    stoppable,
)
from minisd.data.picture_file import FITS, GROUNDS
from minisd.data.sets import DATA_SETS
from minisd.data.sizes import check_size
from minisd.diffusion.objectives import OBJECTIVES
from minisd.diffusion.objectives.weighting import WEIGHTINGS
from minisd.train.plan import MINUTES

if TYPE_CHECKING:
    from minisd.train.recipe import Recipes
    from minisd.train.run import Settings

RECIPE = click.Path(exists=True, dir_okay=False, path_type=Path)
ABOUT = "; ".join(f"{name}, {objective.about}" for name, objective in OBJECTIVES.items())


def _as_defaults(ctx: click.Context, param: click.Parameter, path: Path | None) -> Recipes | None:
    """The recipe's settings in place of the options' own defaults, so that what is given beside it counts more."""
    if path is None:
        return None

    from minisd.train.run import read_recipe

    settings, recipes = read_recipe(path)
    said = {name: value for name, value in dataclasses.asdict(settings).items() if value is not None}
    if settings.size is not None:
        said["size"] = "x".join(map(str, settings.size))
    if settings.stage == "lora":
        said |= {"stage": "model", "lora": True}
    ctx.default_map = said
    return recipes


@click.command()
@click.option(
    "--stage",
    type=click.Choice([stage for stage in MINUTES if stage != "lora"]),
    default="model",
    show_default=True,
    help="A whole model; or what a model may have besides: hires, the network that draws its digits at 56 x 56 and "
    "112 x 112; few, the one that draws in 1, 2 or 4 steps.",
)
@click.option("--lora", is_flag=True, help="A LoRA: teach a model something new from few pictures, in two minutes.")
@click.option("--caption", help="What --lora shall draw by these words, all pictures alike. [default: their captions]")
@click.option(
    "--rank",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="How much --lora can learn: numbers a channel, in and out.",
)
@click.option(
    "--model",
    type=FOLDER,
    help="The model that --lora or another --stage adds to. [default: the one that comes along]",
)
@data_options()
@click.option(
    "--background",
    type=click.Choice(list(GROUNDS)),
    help="The ground under transparent pictures of a folder. [default: white, but black under white ink]",
)
@click.option(
    "--size",
    type=Size(example="32, or 32x48"),
    help="Pixels of a folder's pictures, 32 or 48x64, height by width: 16 to 64. [default: what fits most of them]",
)
@click.option(
    "--fit",
    type=click.Choice(FITS),
    default=FITS[0],
    show_default=True,
    help="A folder's pictures of another shape: pad shows all of them, crop fills the size.",
)
@click.option(
    "--network",
    type=click.Choice(["unet", "dit"]),
    default="unet",
    show_default=True,
    help="What tells picture from noise: the U-Net, or a diffusion transformer of its size.",
)
@click.option(
    "--objective",
    type=click.Choice(list(OBJECTIVES)),
    default="v",
    show_default=True,
    help=f"What the network learns to see in a noisy picture: {ABOUT}.",
)
@click.option(
    "--weighting",
    type=click.Choice(list(WEIGHTINGS)),
    default="none",
    show_default=True,
    help="How much which noise counts in its loss: all alike, or by the signal-to-noise ratio, held to 5.",
)
@click.option(
    "--out",
    type=FOLDER,
    help="Folder of the run, then of what it made. [default: runs/DATA, or runs/ and the stage, or a numbered one]",
)
@click.option(
    "--minutes",
    type=FiniteFloat(min=0, min_open=True),
    help=f"How long the whole training may take. [default: {MINUTES['model']:g}, for hires {MINUTES['hires']:g}, "
    f"for few {MINUTES['few']:g}, for --lora {MINUTES['lora']:g}]",
)
@click.option("--steps", type=POSITIVE, help="Steps of each network, instead of --minutes: the same on every machine.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="The same seed and steps give the same model.")
@device_option
@click.option(
    "--recipe",
    type=RECIPE,
    is_eager=True,
    callback=_as_defaults,
    help="Train by this file: the recipe.json of another run, whose model it makes again to the bit, or one of your "
    "own that states some of its values. Other options count more.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out, as it was begun; a --device may be named.")
@click.option("--profile", is_flag=True, help="Say where the steps' time went, and draw it in OUT/profile.png.")
@own_option
@click.pass_context
def train(
    ctx: click.Context,
    stage: str,
    lora: bool,
    caption: str | None,
    rank: int,
    model: Path | None,
    data: str,
    data_dir: Path | None,
    background: str | None,
    size: tuple[int, int] | None,
    fit: str,
    network: str,
    objective: str,
    weighting: str,
    out: Path | None,
    minutes: float | None,
    steps: int | None,
    seed: int,
    device: str,
    recipe: Recipes | None,
    resume: bool,
    profile: bool,
    own: tuple[Path, ...],
) -> None:  # fmt: skip
    """Train a model, or a LoRA beside one. Ctrl-C stops and saves; --resume goes on."""
    default = ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP
    given = [name for name in ctx.params if ctx.get_parameter_source(name) not in default]
    if resume and (others := sorted(set(given) - {"resume", "out", "profile", "device", "own"})):
        options = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise click.UsageError(f"--resume goes on with the settings that the run was begun with; leave out {options}.")
    if {"minutes", "steps"} <= set(given):
        raise click.UsageError("Give --minutes or --steps, not both.")
    if lora and "stage" in given:
        raise click.UsageError("--lora is a stage of its own; leave out --stage.")
    check_data(data, data_dir)
    if data != "folder" and (unused := {"background", "size", "fit"} & {*given}):
        raise click.UsageError(f"--{min(unused)} is for --data folder; leave it out.")
    if size is not None:
        with checking("--size"):
            check_size(size)
    if stage == "hires" and not DATA_SETS[data].digits:
        raise click.UsageError("--stage hires learns how digits look when they are large: --data mnist or strokes.")
    if lora and not {"data", "recipe"} & {*given}:
        raise click.UsageError("--lora learns pictures of your own: say which, by --data folder --data-dir DIR.")
    if not lora and (unused := {"caption", "rank"} & {*given}):
        raise click.UsageError(f"--{min(unused)} is for --lora; leave it out.")
    if lora and size is not None:
        raise click.UsageError("--lora takes pictures of the model's size; leave out --size.")
    if caption is not None and not caption.strip():
        raise click.BadParameter(
            'it is empty; write what the pictures show, such as "a heart".', param_hint="--caption"
        )
    stage = "lora" if lora else stage
    if stage != "model" and (unused := {"network", "objective", "weighting"} & {*given}):
        raise click.UsageError(f"--{min(unused)} is for a whole model; leave it out.")
    if stage == "model" and model is not None:
        raise click.UsageError(
            "--model is for --lora, --stage hires and few; a whole model begins with random weights."
        )
    if own:
        ctx.with_resource(own_functions(own, device, unused=("sampler",)))

    from minisd.train.recipe import Recipes
    from minisd.train.run import Run, Settings

    out = out or _default_folder(data if stage == "model" else stage, resume)
    if resume:
        run = Run.resume(out, device if "device" in given else None)
    else:
        folder, base = (str(path.resolve()) if path else None for path in (data_dir, model))  # --resume from elsewhere
        recipes = recipe or Recipes()
        if {"minutes", "steps"} & {*given}:  # then the recipe's numbers of steps do not count
            recipes, steps = recipes.with_steps({}), steps if "steps" in given else None
        minutes = minutes or MINUTES[stage]
        settings = Settings(
            data=data, data_dir=folder, seed=seed, minutes=minutes, steps=steps, device=device, background=background,
            stage=stage, model=base, size=size, fit=fit, rank=rank, caption=caption,
            network=network, objective=objective, weighting=weighting,
        )  # fmt: skip
        run = Run.start(out, settings, recipes)
    require_device(run.settings.device)
    again = f"minisd train --resume --out {shlex.quote(str(out))}"
    with stoppable(
        ctx, lambda: f"saved. Go on with: {again}" if (out / "recipe.json").exists() else "nothing was begun"
    ):
        run.train(click.echo, profile, prepare=lambda: compile_first(run.settings.device))
    if run.settings.stage == "lora":
        click.echo(f"the LoRA is {out / 'lora.safetensors'}\n{_how_to_draw_with(out, run.settings)}")
        return
    click.echo(f"the model is in {out}")
    if run.settings.stage == "hires":
        click.echo(f'next: minisd draw "{EXAMPLE}" --size 112 --model {out}\n      minisd hires --model {out}')
    elif run.settings.stage == "few":
        prompt = EXAMPLE if DATA_SETS[run.settings.data].digits else "PROMPT"
        click.echo(f'next: minisd draw "{prompt}" --few 4 --model {out}')
        if DATA_SETS[run.settings.data].measured:
            measured = "" if run.settings.data == "mnist" else f" --data {run.settings.data}"
            click.echo(f"      minisd eval --few 4{measured} --model {out}")
    elif DATA_SETS[run.settings.data].digits:
        click.echo(f'next: minisd draw "{EXAMPLE}" --model {out}\n      minisd eval --model {out}')
    elif DATA_SETS[run.settings.data].measured:
        click.echo(f'next: minisd draw "a red seven on blue" --model {out}')
        click.echo(f"      minisd eval --data {run.settings.data} --model {out}")
    else:
        click.echo(f"next: minisd draw PROMPT --model {out}")


def _how_to_draw_with(out: Path, settings: Settings) -> str:
    prompt = shlex.quote(settings.caption) if settings.caption else "PROMPT"
    model = f" --model {shlex.quote(settings.model)}" if settings.model else ""
    return f"next: minisd draw {prompt} --lora {shlex.quote(str(out / 'lora.safetensors'))}{model}"


def _default_folder(name: str, resume: bool) -> Path:
    """runs/NAME, or with a number where models are: the first folder that holds none, but may hold a run begun."""
    from minisd.train.run import PRODUCTS

    names = (Path("runs") / (f"{name}-{number}" if number > 1 else name) for number in count(1))
    free = next(folder for folder in names if not any((folder / product).exists() for product in PRODUCTS))
    return free if not resume or free.exists() else Path("runs") / name
