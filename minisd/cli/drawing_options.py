"""What a drawing can be asked besides its prompt: the options of minisd draw that say what the picture shall be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from minisd.cli.given import read_init, read_mask
from minisd.cli.options import POSITIVE, SEED, FiniteFloat, checking

if TYPE_CHECKING:
    from minisd.pipeline import Pipeline

SHARE = FiniteFloat(min=0, max=1)
PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)


class Interval(click.types.StringParamType):
    """Two times t, the lower one first: 300:800."""

    name = "low:high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        low, colon, high = str(value).partition(":")
        if not (colon and low.isdecimal() and high.isdecimal()):
            self.fail(f"{value!r} is no interval; write two times from 0 to 1000, such as 300:800.", param, ctx)
        if int(low) >= int(high):
            self.fail(f"{value} is empty: t falls from 1000 to 0, and the lower one comes first: 300:800.", param, ctx)
        return value


class LoRAWeight(click.types.StringParamType):
    """A LoRA's file, and behind a colon its scale: runs/heart/lora.safetensors:0.8."""

    name = "file[:scale]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path, scale = file_and_scale(value)
        if not math.isfinite(scale):
            self.fail(f"{value}: {scale} is not a finite number.", param, ctx)
        if not path.is_file():
            self.fail(f"{path}: there is no such file; a scale is a number behind a colon: FILE:0.8.", param, ctx)
        return value


def file_and_scale(text: str) -> tuple[Path, float]:
    """What stands before the last colon and the number behind it, 1 if there is none.

    >>> [(str(path), scale) for path, scale in map(file_and_scale, ("a.safetensors:-0.5", "a:b"))]
    [('a.safetensors', -0.5), ('a:b', 1.0)]
    """
    path, _, number = text.rpartition(":")
    if path:
        with suppress(ValueError):
            return Path(path), float(number)
    return Path(text), 1.0


def drawing_options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--negative", "negative_prompt", metavar="PROMPT", help="What guidance leads away from."),
        click.option(
            "--guidance-rescale",
            type=SHARE,
            help="How much of the contrast that guidance adds is taken back, 0 to 1.",
        ),
        click.option(
            "--guidance-interval", type=Interval(), help="Guide at times LOW <= t < HIGH alone. [default: the model's]"
        ),
        click.option(
            "--clip-skip",
            type=POSITIVE,
            help="The text encoder's layer that is read, counted from the last, 1. [default: the model's]",
        ),
        click.option(
            "--lora",
            type=LoRAWeight(),
            multiple=True,
            help="A LoRA of minisd train --lora, and how much of it, below 0 away from it. May be given several times.",
        ),
        click.option("--to", metavar="PROMPT", help="Go on to this prompt over --num pictures: a strip and a GIF."),
        click.option("--to-seed", type=SEED, help="Go on to this seed's noise over --num pictures: a strip and a GIF."),
        click.option(
            "--vary",
            "variation",
            type=SHARE,
            help="Draw variations of the first picture: how far the others' noise lies from its, 0 to 1.",
        ),
        click.option(
            "--size", type=POSITIVE, help="Pixels a side, twice or four times the model's own. [default: the model's]"
        ),
        click.option(
            "--hires",
            type=click.Choice(["chain", "img2img", "bicubic"]),
            help="The way to a larger --size: by a second network, by drawing over the enlarged picture, or by "
            "smoothing. [default: chain]",
        ),
        click.option("--init", type=PICTURE, help="Start from this picture, not from noise."),
        click.option(
            "--strength", type=SHARE, help="How much of --init is drawn anew, 0 to 1. [default: 0.8; with --mask 1]"
        ),
        click.option(
            "--mask",
            type=PICTURE,
            help="Draw where this picture is white; where it is black --init stays, to the byte.",
        ),
        click.option(
            "--resample",
            type=POSITIVE,
            help="Go each stretch of the way so often, to make the drawn part fit --init. [default: 1; with --mask 5]",
        ),
        click.option(
            "--invert/--no-invert",
            default=None,
            help="Take --init's dark for light. [default: if it is dark on light, and the model draws light on dark]",
        ),
    )
    for option in reversed(options):  # --help lists the last one first
        command = option(command)
    return command


def what_is_asked(pipeline: Pipeline, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as ``Pipeline.draw`` takes them.

    Raises:
        click.UsageError: an option that needs another, or does not fit the model.
        DataError: a picture that cannot be read.
    """
    from minisd.pipeline.enlarging import check_size
    from minisd.pipeline.given import RESAMPLE, STRENGTH

    asked = {name: value for name, value in options.items() if value is not None}
    if (clip_skip := asked.get("clip_skip")) is not None:
        with checking("--clip-skip"):
            pipeline.clip.config.check_clip_skip(clip_skip)
    if (interval := asked.get("guidance_interval")) is not None:
        low, high = map(int, interval.split(":"))
        if high > (T := pipeline.schedule.steps):
            raise click.BadParameter(f"the model's times end at {T}, got {interval}.", param_hint="--guidance-interval")
        asked["guidance_interval"] = low, high
    if (size := asked.get("size")) is not None:
        with checking("--size"):
            check_size(pipeline, size, asked.get("hires", "chain"))
    elif "hires" in asked:
        raise click.UsageError("--hires is a way to a larger --size, such as 112; say which.")
    init, mask, invert = (asked.pop(name, None) for name in ("init", "mask", "invert"))
    if init is None:
        for name in ("strength", "mask", "resample", "invert"):
            if options[name] is not None:
                raise click.UsageError(f"--{name} says what becomes of a picture; give it with --init.")
        return asked
    asked["image"] = read_init(init, pipeline, invert)
    if mask is not None:
        asked["mask_image"] = read_mask(mask, init, pipeline)
    asked.setdefault("strength", STRENGTH if mask is None else 1.0)
    asked.setdefault("resample", 1 if mask is None else RESAMPLE)
    return asked
