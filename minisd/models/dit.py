"""The diffusion transformer: finds the noise in a latent without a convolution (Peebles & Xie 2023).

    x_t (7 x 7 x 4)                                        prediction (7 x 7 x 4)
      |  cut into patches, each a token                        ^  patches put back
    49 tokens x 96 + positions                             49 tokens x 96 -> linear layer
      |                                                        ^
      +--> block --> block --> ... --> block --> final norm ---+

    block, of tokens x and a condition c, which is SiLU of time + prompt:      (figure 3, "adaLN-Zero")
        shift, scale, gate = linear(c)
        x = x + gate attention(norm(x) (1 + scale) + shift)        tokens to tokens
        x = x + attention(x, context)                              tokens to the prompt's
        shift, scale, gate = linear(c)
        x = x + gate perceptron(norm(x) (1 + scale) + shift)

The norms have no scale and shift of their own: the condition's take their place. Its linear layers start at zero, and
so does what the second attention adds, so each block starts as x itself. The prompt's tokens are heard as in
PixArt-alpha (Chen et al. 2023, figure 4), its pooled vector is added to the time as in our U-Net.

Differs: the U-Net halves its maps, and most of its work is done on few pixels; here all blocks see all tokens. The
article's transformer is told a class instead of a sentence, patches of its first layer have 2 x 2 latent pixels, and
its attention has biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from minisd_kernels.devices import namespace

from minisd import ops
from minisd.autograd import Array, Tensor
from minisd.models.checks import check_told, check_whole
from minisd.models.time import time_embedding
from minisd.nn import LayerNorm, Linear, Module, MultiHeadAttention
from minisd.nn.module import zeros


@dataclass(frozen=True)
class DiTConfig:
    """The transformer's sizes; as they stand, those for MNIST's latents.

    It is as large as the U-Net, and its layers make as many multiply-adds, in millions:

    >>> from minisd.models.unet import UNet, UNetConfig
    >>> from minisd.shapes.report.builtin import MODELS
    >>> from minisd.shapes.report.sums import examine
    >>> from minisd.shapes.report.text import parse
    >>> rng = np.random.default_rng(0)
    >>> DiT(DiTConfig(), rng=rng).parameter_count(), UNet(UNetConfig(), rng=rng).parameter_count()
    (1269572, 1267812)
    >>> rows = [examine(parse(MODELS[name])).rows for name in ("dit", "unet")]
    >>> [round(sum(row.multiply_adds for row in network) / 1e6, 1) for network in rows]
    [30.5, 30.8]

    Attributes:
        patch: latent pixels a side of what becomes a token.
        depth: blocks.
        expansion: how many times wider the perceptrons are inside.
        context_width: D of the prompt's tokens; None for a network that hears no prompt.
        pooled_width: E of the prompt's pooled vector; None for a network that wants none.
    """

    latent_channels: int = 4
    patch: int = 1
    width: int = 96
    depth: int = 6
    heads: int = 3
    expansion: int = 2
    context_width: int | None = 64
    pooled_width: int | None = 64
    time_width: int = 160

    def __post_init__(self) -> None:
        check_whole(self, "latent_channels")
        check_whole(self, "patch", most=256)
        check_whole(self, "width")
        check_whole(self, "depth", most=256)
        check_whole(self, "heads", most=self.width)
        check_whole(self, "expansion", most=64)
        check_whole(self, "context_width", none=True)
        check_whole(self, "pooled_width", none=True)
        check_whole(self, "time_width")
        if self.width % self.heads:
            raise ValueError(f"DiTConfig: heads: a width of {self.width} does not split into {self.heads} heads")
        if self.width % 4:  # a sine and a cosine of each position, down and across
            raise ValueError(f"DiTConfig: width: wanted a multiple of 4, got {self.width}")

    def check_size(self, H: int, W: int) -> None:
        """Demand latents that can be cut into patches.

        Raises:
            ValueError: H or W is no multiple of the patch's side.
        """
        p = self.patch
        if H % p or W % p:
            nearest = [max(1, round(size / p)) * p for size in (H, W)]
            raise ValueError(f"DiT: {H} x {W} is no multiple of the patch, {p}; nearest: {nearest[0]} x {nearest[1]}")


class DiT(Module):
    """Noise (or v) prediction for latents of any size that the patches fill.

    >>> dit = DiT(DiTConfig(), rng=np.random.default_rng(0))
    >>> x_t, t = Tensor(np.zeros((2, 7, 7, 4), np.float32)), np.array([0, 999])
    >>> dit(x_t, t, Tensor(np.zeros((2, 16, 64), np.float32)), Tensor(np.zeros((2, 64), np.float32))).shape
    (2, 7, 7, 4)
    """

    def __init__(self, config: DiTConfig, *, rng: np.random.Generator) -> None:
        self.config = config
        D, time, numbers = config.width, config.time_width, config.patch**2 * config.latent_channels
        self.time_1 = Linear(D, time, rng=rng)
        self.time_2 = Linear(time, time, rng=rng)
        self.prompt_norm = LayerNorm(config.pooled_width) if config.pooled_width else None
        self.from_prompt = Linear(config.pooled_width, time, rng=rng) if config.pooled_width else None
        self.embed = Linear(numbers, D, rng=rng)
        self.blocks = [DiTBlock(config, rng=rng) for _ in range(config.depth)]
        self.modulate_out = Modulation(time, D, 2, rng=rng)
        self.linear_out = Linear(D, numbers, rng=rng)
        self.linear_out.weight = zeros(D, numbers)

    def forward(self, x_t: Tensor, t: Array, context: Tensor | None = None, pooled: Tensor | None = None) -> Tensor:
        """Shapes: x_t (B, H, W, C), t (B,) in 0..T-1, context (B, M, D), pooled (B, E) -> (B, H, W, C).

        t may stay on the host; all others live where the weights live.

        Raises:
            ValueError: H or W is no multiple of the patch's side; context or pooled is missing, or given to a network
                that wants none.
        """
        config, (_, H, W, _) = self.config, x_t.shape
        config.check_size(H, W)
        check_told("DiT", "context", context, config.context_width)
        check_told("DiT", "pooled", pooled, config.pooled_width)
        embedding = Tensor(time_embedding(t, config.width).astype(x_t.dtype)).to(x_t.device)
        condition = self.time_2(ops.silu(self.time_1(embedding)))  # (B, time width)
        if self.prompt_norm is not None and self.from_prompt is not None:
            condition = condition + self.from_prompt(self.prompt_norm(pooled))
        condition = ops.silu(condition)

        h, w = H // config.patch, W // config.patch
        places = positions(h, w, config.width, namespace(x_t.device)).astype(x_t.dtype)
        x = self.embed(to_patches(x_t, config.patch)) + Tensor(places)  # (B, N, width)
        for block in self.blocks:
            x = block(x, condition, context)
        shift, scale = self.modulate_out(condition)
        return from_patches(self.linear_out(ops.adaptive_layer_norm(x, scale, shift)), h, w, config.patch)


class DiTBlock(Module):
    """Attention and a perceptron, each moved, scaled and gated by the condition; between them attention to the prompt.

    Shapes: x (B, N, width), condition (B, time width), context (B, M, context width) -> (B, N, width).
    """

    def __init__(self, config: DiTConfig, *, rng: np.random.Generator) -> None:
        D, heads, context, time = config.width, config.heads, config.context_width, config.time_width
        self.modulate_self = Modulation(time, D, 3, rng=rng)
        self.attend_self = MultiHeadAttention(D, heads, rng=rng)
        self.attend_cross = MultiHeadAttention(D, heads, rng=rng, context_width=context) if context else None
        if self.attend_cross is not None:
            self.attend_cross.to_out.weight = zeros(D, D)
        self.modulate_perceptron = Modulation(time, D, 3, rng=rng)
        self.widen = Linear(D, config.expansion * D, rng=rng)
        self.narrow = Linear(config.expansion * D, D, rng=rng)

    def forward(self, x: Tensor, condition: Tensor, context: Tensor | None = None) -> Tensor:
        B, _, D = x.shape
        shift, scale, gate = self.modulate_self(condition)
        attended = self.attend_self(ops.adaptive_layer_norm(x, scale, shift))
        x = x + gate.reshape(B, 1, D) * attended
        if self.attend_cross is not None:
            x = x + self.attend_cross(x, context)
        shift, scale, gate = self.modulate_perceptron(condition)
        wide = self.widen(ops.adaptive_layer_norm(x, scale, shift))
        return x + gate.reshape(B, 1, D) * self.narrow(ops.gelu(wide))


class Modulation(Module):
    """What a condition does to all tokens of a sample: `parts` vectors, which start at zero.

    Shapes: (B, time width) -> `parts` of (B, width).
    """

    def __init__(self, time_width: int, width: int, parts: int, *, rng: np.random.Generator) -> None:
        self.linear = Linear(time_width, parts * width, rng=rng)
        self.linear.weight = zeros(time_width, parts * width)
        self.parts = parts

    def forward(self, condition: Tensor) -> list[Tensor]:
        vectors = self.linear(condition).reshape(condition.shape[0], self.parts, -1)
        return [vectors[:, part] for part in range(self.parts)]


def to_patches(x: Tensor, p: int) -> Tensor:
    """Squares of p x p pixels, each as a row of numbers: (B, H, W, C) -> (B, H/p W/p, p p C).

    What a linear layer then makes of each is a token (Dosovitskiy et al. 2021, eq. 1).
    """
    B, H, W, C = x.shape
    squares = x.reshape(B, H // p, p, W // p, p, C).transpose(0, 1, 3, 2, 4, 5)
    return squares.reshape(B, (H // p) * (W // p), p * p * C)


def from_patches(x: Tensor, h: int, w: int, p: int) -> Tensor:
    """h x w squares put back in their places: (B, h w, p p C) -> (B, h p, w p, C).

    >>> x = Tensor(np.arange(16.0).reshape(1, 4, 4, 1))
    >>> to_patches(x, 2).data[0, 0].tolist(), bool((from_patches(to_patches(x, 2), 2, 2, 2).data == x.data).all())
    ([0.0, 1.0, 4.0, 5.0], True)
    """
    B, _, numbers = x.shape
    C = numbers // p**2
    return x.reshape(B, h, w, p, p, C).transpose(0, 1, 3, 2, 4, 5).reshape(B, h * p, w * p, C)


def positions(h: int, w: int, width: int, xp: Any = np) -> Array:
    """Where each of h x w tokens lies, (h w, width): the waves of its row, then those of its column.

    Fixed, so that any size has them (Vaswani et al. 2017, section 3.5, down and across).

    >>> positions(2, 3, 4).round(2).tolist()[:4]
    [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.54, 0.84], [1.0, 0.0, -0.42, 0.91], [0.54, 0.84, 1.0, 0.0]]
    """
    token = xp.arange(h * w)
    return np.concatenate([time_embedding(token // w, width // 2), time_embedding(token % w, width // 2)], axis=1)
