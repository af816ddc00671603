"""The conditional U-Net: finds the noise in a latent, told the time and the prompt (Rombach et al. 2022, section 3.3).

        x_t (7 x 7 x 4)                                    prediction (7 x 7 x 4)
          |                                                   ^
        level 0   7 x 7 x 64   --- copy and crop --->     level 0     residual blocks, told the time;
          | stride 2                                          ^       attention: pixels to pixels (self),
        level 1   4 x 4 x 96   --- copy and crop --->     level 1       pixels to the prompt's tokens (cross)
          |                                                   ^
          +------------------> middle 4 x 4 x 96 -------------+

Going up, 4 doubles to 8 where 7 is wanted: the skip's crop is what makes odd sizes fit.

Stable Diffusion 1.5's network is another value of the same configuration:

    UNetConfig(
        levels=(Level(320, 2, heads=8), Level(640, 2, heads=8), Level(1280, 2, heads=8), Level(1280, 2)),
        middle=Level(1280, 2, heads=8), copies="block", groups=32, context_width=768, pooled_width=None,
        time_width=1280, projections=True, activation="geglu", expansion=4,
    )

Differs: MNIST's copies one map a level, as Ronneberger et al. 2015; and the sentence's pooled vector is added to the
time embedding besides, as SDXL does (Podell et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.models.checks import check_choice, check_flag, check_small, check_told, check_whole
from minisd.models.levels import Layer, Level, block, check_levels, middle
from minisd.models.time import time_embedding
from minisd.nn import Conv2d, GroupNorm, LayerNorm, Linear, Module, ResidualBlock, SpatialTransformer, Upsample
from minisd.nn.module import zeros


@dataclass(frozen=True)
class UNetConfig:
    """The U-Net's levels and choices; as they stand, those of the MNIST model.

    Attributes:
        levels: from full size down; each is half the size of the one above, rounded up.
        middle: the bottom, as large as the last level.
        copies: "level": the last map of every level is copied, and the up-convolution changes the channels
            (Ronneberger et al. 2015). "block": every map is, that of the first convolution, of every block and of every
            halving, and one block more a level takes them in on the way up (Ho et al. 2020).
        groups, eps: of the group norms in residual blocks and before the last convolution.
        hint_channels: of a picture that is laid beside x_t from the start, as a cascade's small picture is (Ho et al.
            2022, "Cascaded diffusion models").
        context_width: D of the prompt's tokens; None for a network that hears no prompt.
        pooled_width: E of the prompt's pooled vector; None for a network that wants none.
        projections: each transformer begins with a group norm and a linear layer, and ends with one before its input
            is added (Rombach et al. 2022); else it works on the map as it is.
        activation: of the transformers' perceptrons, see ``ops.ACTIVATIONS``; Stable Diffusion's is "geglu".
        expansion: how many times wider those are inside.
    """

    latent_channels: int = 4
    hint_channels: int = 0
    levels: tuple[Level, ...] = (Level(64, heads=2), Level(96, heads=3))
    middle: Level = Level(96)
    copies: str = "level"
    groups: int = 8
    eps: float = 1e-5
    context_width: int | None = 64
    pooled_width: int | None = 64
    time_width: int = 128
    projections: bool = False
    activation: str = "gelu_tanh"
    expansion: int = 2

    def __post_init__(self) -> None:
        check_whole(self, "latent_channels")
        check_whole(self, "hint_channels", least=0)
        check_levels(self, self.middle)
        if self.middle is None:
            raise ValueError("UNetConfig: middle: wanted a Level, got None")
        check_choice(self, "copies", ("level", "block"))
        check_small(self, "eps")
        check_whole(self, "context_width", none=True)
        check_whole(self, "pooled_width", none=True)
        check_whole(self, "time_width")
        check_flag(self, "projections")
        check_choice(self, "activation", ops.ACTIVATIONS)
        check_whole(self, "expansion", most=64)
        if self.levels[0].channels % 2:
            raise ValueError(f"UNetConfig: levels: wanted an even number of channels first, got {self.levels[0]}")


Rows = list[list[Layer]]


class Table(NamedTuple):
    """The U-Net's layers in rows: a copy is taken behind every row going down, and put before every row going up."""

    down: Rows
    middle: list[Layer]
    up: Rows


def table(config: UNetConfig) -> Table:
    """What the network is made of, to be laid beside the paper's.

    >>> for row in table(UNetConfig()).up:
    ...     print(*(f"{kind} {inputs}->{outputs}" for kind, inputs, outputs, _ in row), sep=", ")
    residual 192->96, attention 96->96, double 96->64
    residual 128->64, attention 64->64
    """
    each_block = config.copies == "block"
    down: Rows = []
    up: Rows = []

    # Down: a level begins with the layer that gives its maps their size, then come its blocks.
    C = config.levels[0].channels
    for depth, level in enumerate(config.levels):
        rows = [[Layer("halve", C, C) if depth else Layer("conv", config.latent_channels + config.hint_channels, C)]]
        for _ in range(level.blocks):
            rows.append(block(C, level))
            C = level.channels
        down += rows if each_block else [[layer for row in rows for layer in row]]

    bottom = middle(C, config.middle)
    C = config.middle.channels

    # Up: as many rows a level as went down, each with a copy's channels beside its own.
    copied = [row[-1].outputs for row in down]
    for depth, level in reversed(list(enumerate(config.levels))):
        rows = []
        for _ in range(level.blocks + each_block):
            copy = copied.pop() if each_block or not rows else 0
            rows.append(block(C + copy, level))
            C = level.channels
        if depth:
            above = C if each_block else config.levels[depth - 1].channels
            rows[-1].append(Layer("double", C, above))
            C = above
        up += rows if each_block else [[layer for row in rows for layer in row]]

    return Table(down, bottom, up)


class UNet(Module):
    """Noise (or v) prediction for latents of any size.

    >>> unet = UNet(UNetConfig(), rng=np.random.default_rng(0))
    >>> x_t, t = Tensor(np.zeros((2, 7, 7, 4), np.float32)), np.array([0, 999])
    >>> unet(x_t, t, Tensor(np.zeros((2, 16, 64), np.float32)), Tensor(np.zeros((2, 64), np.float32))).shape
    (2, 7, 7, 4)
    """

    def __init__(self, config: UNetConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        first, time = config.levels[0].channels, config.time_width
        self.time_1 = Linear(first, time, rng=rng)
        self.time_2 = Linear(time, time, rng=rng)
        self.prompt_norm = LayerNorm(config.pooled_width) if config.pooled_width else None
        self.from_prompt = Linear(config.pooled_width, time, rng=rng) if config.pooled_width else None

        def made(layers: list[Layer]) -> list[Module]:
            return [_made(layer, config, rng) for layer in layers]

        down, bottom, up = table(config)
        self.down = [made(row) for row in down]
        self.middle = made(bottom)
        self.up = [made(row) for row in up]
        self.norm_out = GroupNorm(config.groups, first, eps=config.eps)
        self.conv_out = Conv2d(first, config.latent_channels, 3, padding=1, rng=rng)
        self.conv_out.weight = zeros(3, 3, first, config.latent_channels)

    def forward(self, x_t: Tensor, t: Array, context: Tensor | None = None, pooled: Tensor | None = None) -> Tensor:
        """Shapes: x_t (B, H, W, C), C latent and hint channels, t (B,) in 0..T-1, context (B, M, D), pooled (B, E) ->
        (B, H, W, latent channels).

        t may stay on the host; all others live where the weights live.

        Raises:
            ValueError: context or pooled is missing, or given to a network that wants none.
        """
        check_told("UNet", "context", context, self.config.context_width)
        check_told("UNet", "pooled", pooled, self.config.pooled_width)
        embedding = Tensor(time_embedding(t, self.config.levels[0].channels).astype(x_t.dtype)).to(x_t.device)
        condition = self.time_2(ops.silu(self.time_1(embedding)))  # (B, time width)
        if self.prompt_norm is not None and self.from_prompt is not None:
            condition = condition + self.from_prompt(self.prompt_norm(pooled))

        x, copies = x_t, []
        for row in self.down:
            x = _through(row, x, condition, context)
            copies.append(x)
        x = _through(self.middle, x, condition, context)
        for row in self.up:
            x = _through(row, ops.copy_and_crop(x, copies.pop()), condition, context)
        return self.conv_out(self.norm_out(x, silu=True))


def _made(layer: Layer, config: UNetConfig, rng: np.random.Generator) -> Module:
    """A layer of the table with its weights."""
    kind, inputs, outputs, heads = layer
    match kind:
        case "conv":
            return Conv2d(inputs, outputs, 3, padding=1, rng=rng)
        case "halve":  # H -> ceil(H / 2)
            return Conv2d(inputs, outputs, 3, stride=2, padding=1, rng=rng)
        case "double":
            return Upsample(inputs, outputs, rng=rng)
        case "residual":
            return ResidualBlock(
                inputs, outputs, groups=config.groups, eps=config.eps, condition_width=config.time_width, rng=rng
            )
        case _:
            return SpatialTransformer(
                inputs,
                heads,
                context_width=config.context_width,
                groups=config.groups if config.projections else None,
                activation=config.activation,
                expansion=config.expansion,
                rng=rng,
            )


def _through(layers: list[Module], x: Tensor, condition: Tensor, context: Tensor | None) -> Tensor:
    """One layer after the other; residual blocks are told the time, transformers the prompt."""
    for layer in layers:
        match layer:
            case ResidualBlock():
                x = layer(x, condition)
            case SpatialTransformer():
                x = layer(x, context)
            case _:
                x = layer(x)
    return x
