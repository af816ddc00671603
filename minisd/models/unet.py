"""The conditional U-Net: finds the noise in a latent, told the time and the prompt (Rombach et al. 2022, section 3.3).

        x_t (7 x 7 x 4)                                    prediction (7 x 7 x 4)
          |                                                   ^
        level 0   7 x 7 x 64   --- copy and crop --->     level 0     residual blocks, told the time;
          | stride 2                                          ^       attention: pixels to pixels (self),
        level 1   4 x 4 x 96   --- copy and crop --->     level 1       pixels to the prompt's tokens (cross)
          |                                                   ^
          +------------------> middle 4 x 4 x 96 -------------+

Going up, 4 doubles to 8 where 7 is wanted: the skip's crop is what makes odd sizes fit.

Differs: Stable Diffusion's U-Net has four levels of 320 to 1280 channels, two residual blocks a level, and 860 million
parameters; here the sentence's pooled vector is added to the time embedding besides, as SDXL does (Podell et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.nn import Conv2d, GroupNorm, LayerNorm, Linear, Module, ResidualBlock, TransformerBlock
from minisd.nn.module import zeros


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of the U-Net.

    Attributes:
        channels: one number a level, from full size down; each level is half the size of the one above, rounded up.
        context_width: D of the prompt's tokens.
        pooled_width: E of the prompt's pooled vector.
        head_width: d of every attention head.
    """

    latent_channels: int = 4
    channels: tuple[int, ...] = (64, 96)
    head_width: int = 32
    groups: int = 8
    context_width: int = 64
    pooled_width: int = 64
    time_width: int = 128


class PromptAttention(Module):
    """A transformer block over the pixels: they attend to each other, then to the prompt's tokens.

    Shapes: x (B, H, W, C), context (B, M, D) -> (B, H, W, C); with channels last, pixels are tokens by a reshape.
    """

    def __init__(self, channels: int, config: UNetConfig, *, rng: np.random.Generator) -> None:
        heads, rest = divmod(channels, config.head_width)
        if rest:
            raise ValueError(f"UNet: {channels} channels do not split into heads of width {config.head_width}")
        self.block = TransformerBlock(channels, heads, context_width=config.context_width, expansion=2, rng=rng)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        B, H, W, C = x.shape
        tokens: Tensor = self.block(x.reshape(B, H * W, C), context)
        return tokens.reshape(B, H, W, C)


class UNet(Module):
    """Noise (or v) prediction for latents of any size.

    >>> unet = UNet(UNetConfig(), rng=np.random.default_rng(0))
    >>> x_t, t = Tensor(np.zeros((2, 7, 7, 4), np.float32)), np.array([0, 999])
    >>> unet(x_t, t, Tensor(np.zeros((2, 16, 64), np.float32)), Tensor(np.zeros((2, 64), np.float32))).shape
    (2, 7, 7, 4)
    """

    def __init__(self, config: UNetConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        levels, time, groups = config.channels, config.time_width, config.groups
        self.time_1 = Linear(levels[0], time, rng=rng)
        self.time_2 = Linear(time, time, rng=rng)
        self.prompt_norm = LayerNorm(config.pooled_width)
        self.from_prompt = Linear(config.pooled_width, time, rng=rng)

        def residual(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, groups=groups, condition_width=time, rng=rng)

        self.conv_in = Conv2d(config.latent_channels, levels[0], 3, padding=1, rng=rng)
        self.down_blocks = [residual(a, b) for a, b in pairwise((levels[0], *levels))]
        self.down_attentions = [PromptAttention(c, config, rng=rng) for c in levels]
        self.downsamplers = [Conv2d(c, c, 3, stride=2, padding=1, rng=rng) for c in levels[:-1]]
        self.middle = residual(levels[-1], levels[-1])
        self.up_blocks = [residual(2 * c, c) for c in levels]
        self.up_attentions = [PromptAttention(c, config, rng=rng) for c in levels]
        self.upsamplers = [Conv2d(below, above, 3, padding=1, rng=rng) for above, below in pairwise(levels)]
        self.norm_out = GroupNorm(groups, levels[0])
        self.conv_out = Conv2d(levels[0], config.latent_channels, 3, padding=1, rng=rng)
        self.conv_out.weight = zeros(3, 3, levels[0], config.latent_channels)

    def forward(self, x_t: Tensor, t: Array, context: Tensor, pooled: Tensor) -> Tensor:
        """Shapes: x_t (B, H, W, latent channels), t (B,) in 0..T-1, context (B, M, D), pooled (B, E) -> as x_t.

        t stays on the host; all others live where the weights live.
        """
        embedding = Tensor(time_embedding(t, self.config.channels[0])).to(x_t.device)
        time = self.time_2(ops.silu(self.time_1(embedding)))
        condition = time + self.from_prompt(self.prompt_norm(pooled))  # (B, time width)

        x = self.conv_in(x_t)
        skips = []
        for level, (block, attention) in enumerate(zip(self.down_blocks, self.down_attentions, strict=True)):
            x = attention(block(x, condition), context)
            skips.append(x)
            if level < len(self.downsamplers):
                x = self.downsamplers[level](x)  # H -> ceil(H / 2)

        x = self.middle(x, condition)

        for level in reversed(range(len(skips))):
            x = ops.copy_and_crop(x, skips[level])
            x = self.up_attentions[level](self.up_blocks[level](x, condition), context)
            if level > 0:
                x = self.upsamplers[level - 1](ops.upsample2d(x, 2))

        return self.conv_out(self.norm_out(x, silu=True))


def time_embedding(t: Array, width: int) -> Array:
    """cos and sin of t at width / 2 frequencies from 1 down to 1/10000 (Vaswani et al. 2017, section 3.5).

    >>> time_embedding(np.array([0]), 4).tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    frequencies = np.exp(-np.log(10000) * np.arange(width // 2) / (width // 2))
    angles = t[:, None] * frequencies
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
