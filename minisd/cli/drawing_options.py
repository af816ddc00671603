"""What a drawing can be asked besides its prompt: the options of minisd draw that say what the picture shall be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from minisd.cli.options import POSITIVE, SEED, FiniteFloat, checking

if TYPE_CHECKING:
    from minisd.pipeline import Pipeline

SHARE = FiniteFloat(min=0, max=1)


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


def drawing_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
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
    ):
        command = option(command)
    return command


def what_is_asked(pipeline: Pipeline, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, as ``Pipeline.draw`` takes them.

    Raises:
        click.BadParameter: an option that does not fit the model.
    """
    from minisd.pipeline.enlarging import check_size

    asked = {name: value for name, value in options.items() if value is not None}
    if (clip_skip := asked.get("clip_skip")) is not None:
        with checking("--clip-skip"):
            pipeline.clip.config.check_clip_skip(clip_skip)
    if (interval := asked.get("guidance_interval")) is not None:
        low, high = interval.split(":")
        asked["guidance_interval"] = int(low), int(high)
    if (size := asked.get("size")) is not None:
        with checking("--size"):
            check_size(pipeline, size, asked.get("hires", "chain"))
    elif "hires" in asked:
        raise click.UsageError("--hires is a way to a larger --size, such as 112; say which.")
    return asked
